// What the store asks of RocksDB beside its interface, and what a store of another format is told.

#include "store/db.hpp"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include "store/keys.hpp"
#include "store/state.hpp"
#include "tests/store/samples.hpp"

#ifdef __SSE4_2__
namespace rocksdb::crc32c {
std::uint32_t Extend(std::uint32_t before, const char* data, std::size_t size);
}
#endif

namespace tidewaiter::store {
namespace {

using namespace samples;

#ifdef __SSE4_2__
TEST(Crc32c, is_that_of_rfc_3720_whatever_the_size_and_comes_before_the_one_of_the_library) {
  using rocksdb::crc32c::Extend;
  EXPECT_EQ(Extend(0, std::string(32, '\0').data(), 32), 0x8a9136aau);
  EXPECT_EQ(Extend(0, std::string(32, '\xff').data(), 32), 0x62a8ab43u);
  std::string ascending;
  for (char c = 0; c < 32; ++c) ascending += c;
  EXPECT_EQ(Extend(0, ascending.data(), 32), 0x46dd794eu);
  EXPECT_EQ(Extend(0, "123456789", 9), 0xe3069283u);
  for (std::size_t cut = 0; cut <= 32; ++cut)
    EXPECT_EQ(Extend(Extend(0, ascending.data(), cut), ascending.data() + cut, 32 - cut), 0x46dd794eu) << cut;
  EXPECT_EQ(::dlsym(RTLD_DEFAULT, "_ZN7rocksdb6crc32c6ExtendEjPKcm"), reinterpret_cast<void*>(&Extend));
}
#endif

TEST(Db, a_store_of_an_earlier_format_is_named_with_the_remedy) {
  TemporaryDirectory directory;
  Metrics metrics;
  const Options o = options(directory);
  ASSERT_TRUE(open(o, metrics)->commit(offsets(0, 10), {}, {}, {}));
  {
    auto db = Db::open_primary({o.directory, false, nullptr});
    ASSERT_TRUE(db) << db.error().message;
    auto stored = (*db)->get(Cf::meta, state_key());
    ASSERT_TRUE(stored && *stored);
    std::string earlier = (*stored)->substr(0, (*stored)->size() - 8);
    earlier[0] = 1;
    const Hash checksum = sha256(earlier);
    WriteBatch batch(**db);
    batch.put(Cf::meta, state_key(), earlier.append(as_view(checksum).substr(0, 8)));
    ASSERT_TRUE((*db)->write(batch, true));
  }
  auto log = Log::open(o, metrics);
  ASSERT_FALSE(log);
  EXPECT_NE(log.error().message.find("has format 1, this version of tidewaiter reads 3: read it with the version that wrote it"),
            std::string::npos)
      << log.error().message;
}

}  // namespace
}  // namespace tidewaiter::store
