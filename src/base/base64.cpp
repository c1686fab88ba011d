#include "base/base64.h"

#include <openssl/evp.h>

#include "base/error.h"

namespace wan {

std::string to_base64(std::string_view bytes) {
  constexpr size_t kMaxBytes = size_t{1} << 30;  // the library counts in int
  require(bytes.size() <= kMaxBytes, "more than 1 GiB to write as base64", ErrorKind::kRuntime);
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // the library ends it with a NUL
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(length));
  return text;
}

}  // namespace wan
