#include <fmt/format.h>

#include "base/checked_number.h"
#include "base/error.h"
#include "load/http_client.h"

namespace wan::load {
namespace {

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
  throw Error(ErrorKind::kUsage, fmt::format("--target '{}': {}; expected http://HOST:PORT", text, why));
}

bool is_plain(std::string_view text) {
  for (const char c : text)
    if (c <= ' ' || c > '~' || c == '"' || c == '<' || c == '>' || c == '\\') return false;
  return true;
}

}  // namespace

std::string Url::authority() const {
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == "80" ? name : name + ":" + port;
}

Url parse_url(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  if (text.starts_with("https://")) refuse(text, "TLS is not spoken here, put a proxy before it");
  if (!text.starts_with(kScheme) || !is_plain(text)) refuse(text, "is no URL");
  std::string_view rest = text.substr(kScheme.size());
  Url url;
  const size_t slash = std::min(rest.find('/'), rest.size());
  url.base = rest.substr(slash);
  while (url.base.ends_with('/')) url.base.pop_back();
  rest = rest.substr(0, slash);
  if (url.base.find_first_of("?#") != std::string::npos || rest.find('@') != std::string_view::npos)
    refuse(text, "has a query, a fragment or a user, which are not taken");
  const size_t bracket = rest.starts_with('[') ? rest.find(']') : std::string_view::npos;
  if (rest.starts_with('[') && bracket == std::string_view::npos) refuse(text, "has a '[' without a ']'");
  const size_t colon = rest.find(':', bracket == std::string_view::npos ? 0 : bracket);
  url.host = bracket == std::string_view::npos ? rest.substr(0, colon) : rest.substr(1, bracket - 1);
  if (url.host.empty()) refuse(text, "names no host");
  if (colon == std::string_view::npos) return url;
  url.port = rest.substr(colon + 1);
  if (!checked_number(url.port, Bounds<int>{1, 65535})) refuse(text, "has no port of 1 to 65535");
  return url;
}

}  // namespace wan::load
