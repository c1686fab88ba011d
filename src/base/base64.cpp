#include "base/base64.h"

#include <openssl/evp.h>

#include "base/error.h"

namespace wan {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 30;  // the library counts in int

}  // namespace

std::string to_base64(std::string_view bytes) {
  require(bytes.size() <= kMaxBytes, "more than 1 GiB to write as base64", ErrorKind::kRuntime);
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // the library ends it with a NUL
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(length));
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.empty()) return "";
  if (text.size() % 4 != 0 || text.size() > kMaxBytes) return std::nullopt;
  const size_t pads = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  // The library also takes blanks, line ends and texts of several parts.
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.substr(0, text.size() - pads).find_first_not_of(kAlphabet) != std::string_view::npos) return std::nullopt;
  std::string bytes(text.size() / 4 * 3, '\0');
  const int length =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                      reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (length < 0) return std::nullopt;
  bytes.resize(static_cast<size_t>(length) - pads);   // the library counts the padding as zeros
  if (to_base64(bytes) != text) return std::nullopt;  // bits behind the last byte
  return bytes;
}

}  // namespace wan
