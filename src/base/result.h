// SPDX-License-Identifier: MIT
#pragma once
#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

namespace sb {

using error_code = boost::system::error_code;

/// A value or the error_code of what went wrong. Each module has its own error category in its errc.h.
template <class T>
using result = boost::system::result<T>;

}  // namespace sb
