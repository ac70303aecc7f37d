// SPDX-License-Identifier: MIT
#include "app/cli.h"

int main(int argc, char** argv) { return sb::app::run(argc, argv); }
