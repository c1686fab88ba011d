// What was packed comes back, by zlib's own reader.
#include "base/gzip.h"

#include <gtest/gtest.h>
#include <zlib.h>

namespace wan {
namespace {

std::string unpacked(const std::string& bytes, size_t size) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  std::string out(size + 1, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

TEST(Gzip, ComesBackAndIsTheSameEachTime) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "{\"name\":\"h2d\",\"ts\":" + std::to_string(i * 977) + "},";
  for (const std::string& each : {std::string(), std::string("x"), text}) {
    const std::string packed = gzip(each);
    EXPECT_EQ(unpacked(packed, each.size()), each);
    EXPECT_EQ(gzip(each), packed);
    EXPECT_TRUE(packed.starts_with("\x1f\x8b"));
  }
  EXPECT_LT(gzip(text).size() * 5, text.size());
}

}  // namespace
}  // namespace wan
