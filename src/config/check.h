// SPDX-License-Identifier: MIT
#pragma once
#include "config/load.h"

/// Checks of a merged configuration that concern more than one key, or the machine.
namespace sb::config {

/// Adds errors for values that do not go together: TLS without a certificate, client certificates without an
/// authority, two listeners on one address, an extra listener without type or address.
void check_relations(Loaded& loaded);

/// Adds errors for files that the configuration names and that cannot be read now.
void check_files(Loaded& loaded);

}  // namespace sb::config
