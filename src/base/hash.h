// SHA-256 digests, for workload keys, weights and outputs.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace wan {

/// Incremental SHA-256.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void update(std::span<const std::byte> bytes);
  void update(std::string_view text);
  /// Lower-case hexadecimal, 64 characters. The object must not be updated afterwards.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::string_view text);

/// Of a file's size, its first and its last 64 KiB: tells large files apart without reading them.
std::string edge_digest(std::span<const std::byte> file);

/// Of a file's content. Throws Error(kInput) when it cannot be read.
std::string sha256_of_file(const std::filesystem::path& file);

}  // namespace wan
