# Foreign libraries under lean names: tidewaiter::rocksdb and so on. Their headers are system headers to us.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
# The system's own first: the packages that the tests need are installed for it.
set(Python3_ROOT_DIR /usr)
find_package(Python3 REQUIRED COMPONENTS Interpreter)

# tidewaiter_package(NAME MODULE): the pkg-config module MODULE as tidewaiter::NAME.
function(tidewaiter_package name module)
  pkg_check_modules(${name} QUIET IMPORTED_TARGET GLOBAL ${module})
  if(NOT ${name}_FOUND)
    message(FATAL_ERROR "pkg-config finds no ${module}: run 'scripts/install-packages.sh build'")
  endif()
  add_library(tidewaiter::${name} ALIAS PkgConfig::${name})
endfunction()

tidewaiter_package(cli11 CLI11)
tidewaiter_package(curl libcurl)
tidewaiter_package(eigen eigen3)
tidewaiter_package(fmt fmt)
tidewaiter_package(httplib cpp-httplib)
tidewaiter_package(icu icu-uc)
tidewaiter_package(json nlohmann_json)
tidewaiter_package(openssl openssl)
tidewaiter_package(prometheus prometheus-cpp-core)
tidewaiter_package(re2 re2)
tidewaiter_package(rocksdb rocksdb)
tidewaiter_package(simdjson simdjson)
tidewaiter_package(xxhash libxxhash)
tidewaiter_package(yaml yaml-cpp)
tidewaiter_package(zlib zlib)
tidewaiter_package(zstd libzstd)

# tidewaiter_headers(NAME DIR): a library without pkg-config file, as tidewaiter::NAME.
function(tidewaiter_headers name dir)
  add_library(tidewaiter::${name} INTERFACE IMPORTED GLOBAL)
  target_include_directories(tidewaiter::${name} SYSTEM INTERFACE ${dir})
endfunction()

find_path(VALIJSON_INCLUDE valijson/validator.hpp HINTS ${CMAKE_SOURCE_DIR}/build/deps/valijson/include)
if(NOT VALIJSON_INCLUDE)
  message(FATAL_ERROR "valijson is missing: run 'scripts/fetch-valijson.sh'")
endif()
tidewaiter_headers(valijson ${VALIJSON_INCLUDE})

# librdkafka: the system's if it is new enough, else what scripts/build-librdkafka.sh made.
set(RDKAFKA_MINIMUM 2.10.0)
set(RDKAFKA_OWN ${CMAKE_SOURCE_DIR}/build/deps/librdkafka)
pkg_check_modules(rdkafka QUIET IMPORTED_TARGET GLOBAL rdkafka>=${RDKAFKA_MINIMUM})
if(rdkafka_FOUND)
  add_library(tidewaiter::rdkafka ALIAS PkgConfig::rdkafka)
elseif(EXISTS ${RDKAFKA_OWN}/lib/librdkafka.a)
  file(STRINGS ${RDKAFKA_OWN}/include/librdkafka/rdkafka.h line REGEX "#define RD_KAFKA_VERSION +0x")
  string(REGEX MATCH "0x(..)(..)(..)" hex "${line}")
  foreach(part 1 2 3)
    math(EXPR part_${part} "0x${CMAKE_MATCH_${part}}")
  endforeach()
  set(rdkafka_VERSION ${part_1}.${part_2}.${part_3})
  if(rdkafka_VERSION VERSION_LESS RDKAFKA_MINIMUM)
    message(FATAL_ERROR "librdkafka ${rdkafka_VERSION} in build/deps is older than ${RDKAFKA_MINIMUM}: "
      "remove build/deps/librdkafka and run 'scripts/build-librdkafka.sh'")
  endif()
  add_library(tidewaiter::rdkafka STATIC IMPORTED GLOBAL)
  set_target_properties(tidewaiter::rdkafka PROPERTIES IMPORTED_LOCATION ${RDKAFKA_OWN}/lib/librdkafka.a)
  target_include_directories(tidewaiter::rdkafka SYSTEM INTERFACE ${RDKAFKA_OWN}/include)
  target_link_libraries(tidewaiter::rdkafka INTERFACE tidewaiter::openssl tidewaiter::zstd tidewaiter::zlib
    Threads::Threads m dl rt)
else()
  pkg_check_modules(rdkafka_old QUIET rdkafka)
  message(FATAL_ERROR "librdkafka >= ${RDKAFKA_MINIMUM} is needed (found: '${rdkafka_old_VERSION}'): "
    "run 'scripts/build-librdkafka.sh'")
endif()
message(STATUS "librdkafka ${rdkafka_VERSION}")
