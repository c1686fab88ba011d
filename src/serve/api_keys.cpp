#include "serve/api_keys.h"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"

namespace wan::serve {
namespace {

constexpr uint64_t kMostFileBytes = 1 << 20;

bool is_equal(std::string_view a, std::string_view b) {
  unsigned char differs = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    differs =
        static_cast<unsigned char>(differs | (static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i])));
  return differs == 0;
}

}  // namespace

ApiKeys::ApiKeys(const std::filesystem::path& file) {
  if (file.empty()) return;
  std::istringstream lines(read_text(file, kMostFileBytes));
  using std::filesystem::perms;
  std::error_code missing;
  const perms rights = std::filesystem::status(file, missing).permissions();
  require((rights & (perms::group_all | perms::others_all)) == perms::none,
          fmt::format("{}: others may read these keys: chmod 600 {}", file.string(), file.string()));
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (line.empty() || line.front() == '#') continue;
    require(line.size() >= kLeastKeyBytes,
            fmt::format("{}: the key in line {} has {} characters, expected at least {}: make one with `openssl rand "
                        "-hex 32`",
                        file.string(), number, line.size(), kLeastKeyBytes));
    digests_.push_back(sha256_hex(line));
  }
  require(
      !digests_.empty(),
      fmt::format("{}: expected an API key a line, found none: make one with `openssl rand -hex 32`", file.string()));
}

bool ApiKeys::allow(std::string_view authorization) const {
  if (!are_needed()) return true;
  constexpr std::string_view kBearer = "Bearer ";
  if (!authorization.starts_with(kBearer)) return false;
  const std::string digest = sha256_hex(authorization.substr(kBearer.size()));
  bool is_known = false;
  for (const std::string& key : digests_) is_known = is_equal(digest, key) || is_known;
  return is_known;
}

}  // namespace wan::serve
