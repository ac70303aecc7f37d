# SPDX-License-Identifier: MIT
# What depends on the compiler and the linker.

# A user's newer compiler may warn of something new; only those that ./test uses turn warnings into errors.
if(SIGNALBOX_WERROR)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # These four look at the flow after inlining and are wrong too often in g++ 12: they stay warnings.
    add_compile_options(-Werror -Wno-error=maybe-uninitialized -Wno-error=array-bounds
                        -Wno-error=stringop-overflow -Wno-error=restrict)
  elseif(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 15)
    add_compile_options(-Werror)
  endif()
endif()

# A fast linker when there is one: the sanitizer builds link a dozen large programs.
if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
  find_program(SIGNALBOX_MOLD mold)
  find_program(SIGNALBOX_LLD ld.lld)
  if(SIGNALBOX_MOLD)
    add_link_options(-fuse-ld=mold)
  elseif(SIGNALBOX_LLD)
    add_link_options(-fuse-ld=lld)
  endif()
endif()
