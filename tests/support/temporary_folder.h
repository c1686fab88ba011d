// A folder for what a test writes. No test writes anywhere else: tests of one program run at the same time.
#pragma once

#include <filesystem>
#include <string>

namespace wan::test {

/// A new, empty folder under the system's temporary one, which no other object of this class has, in this process or
/// another; removed with all it holds when the object ends. Stands for its path. The constructor throws Error where
/// none can be made.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string string() const { return path_.string(); }
  operator const std::filesystem::path&() const { return path_; }
  std::filesystem::path operator/(const std::filesystem::path& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace wan::test
