// Who may use the API: the holders of keys from a file, where one is given.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace wan::serve {

inline constexpr size_t kLeastKeyBytes = 16;

class ApiKeys {
 public:
  /// No file: everybody may. Else one key a line; blank lines and those that begin with # are passed over. Throws
  /// Error(kInput) for a file without a key, with one that is too short, or that others may read.
  explicit ApiKeys(const std::filesystem::path& file);

  bool are_needed() const { return !digests_.empty(); }
  /// Takes the same time whatever the key has in common with a right one.
  bool allow(std::string_view authorization) const;

 private:
  std::vector<std::string> digests_;  // SHA-256: of equal length, and no key stays in memory
};

}  // namespace wan::serve
