#include "base/gzip.h"

#include <zlib.h>

#include <climits>

#include "base/error.h"

namespace wan {

std::string gzip(std::string_view text) {
  constexpr int kFast = 3;  // a tenth more bytes than the default, in a third of the time
  constexpr int kGzipWindow = 15 + 16, kMemory = 8;
  require(text.size() <= UINT_MAX, "too much text to pack at once", ErrorKind::kRuntime);
  z_stream stream{};
  require(deflateInit2(&stream, kFast, Z_DEFLATED, kGzipWindow, kMemory, Z_DEFAULT_STRATEGY) == Z_OK,
          "zlib cannot start", ErrorKind::kRuntime);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int result = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  require(result == Z_STREAM_END, "zlib cannot finish", ErrorKind::kRuntime);
  return out;
}

}  // namespace wan
