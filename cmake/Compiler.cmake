# How our own code is compiled: the standard, the build types, the warnings and the sanitizers.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-Og -g1")

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

# simdjson's fast parser is compiled into the includer only if the includer may use these instructions, also in Debug.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_compile_options(-march=x86-64-v3 -mpclmul)
endif()

# What optimises at link time (cmake/Rooms.cmake); other compilers would need tools of their own for it.
set(TIDEWAITER_LINK_TIME OFF)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT TIDEWAITER_SANITIZE)
  set(TIDEWAITER_LINK_TIME ON)
endif()

if(TIDEWAITER_SANITIZE)
  add_compile_options(-fsanitize=${TIDEWAITER_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TIDEWAITER_SANITIZE})
endif()
if(TIDEWAITER_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "Fuzzing needs Clang: run 'scripts/install-packages.sh fuzz' and use the preset 'fuzz'")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

add_library(tidewaiter_warnings INTERFACE)
target_compile_options(tidewaiter_warnings INTERFACE -Wall -Wextra -Wshadow -Wconversion)
if(TIDEWAITER_WERROR)
  target_compile_options(tidewaiter_warnings INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # GCC bug 105329: std::string concatenation.
    target_compile_options(tidewaiter_warnings INTERFACE -Wno-restrict)
  endif()
  if(TIDEWAITER_SANITIZE)
    # Instrumented code hides initialisation from this warning.
    target_compile_options(tidewaiter_warnings INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()
