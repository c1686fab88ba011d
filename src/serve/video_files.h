// The files of the jobs: pictures that came with them, and what was made. Their names are made of ids alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace wan::serve {

class VideoFiles {
 public:
  /// Makes the folders, for this user alone. Throws Error(kRuntime).
  explicit VideoFiles(const std::filesystem::path& folder);

  std::filesystem::path video(const std::string& id) const;
  std::filesystem::path poster(const std::string& id) const;
  std::filesystem::path last_frame(const std::string& id) const;
  std::filesystem::path preview(const std::string& id) const;  // of a video that is being made
  std::filesystem::path first_image(const std::string& id) const;
  std::filesystem::path last_image(const std::string& id) const;

  /// Of what was made.
  uint64_t bytes_of(const std::string& id) const;
  /// What is not there is no error.
  void remove_preview(const std::string& id) const;
  void remove_made(const std::string& id) const;
  void remove_all(const std::string& id) const;
  /// Removes what belongs to none of `ids`. Returns how many files.
  int64_t remove_others(const std::vector<std::string>& ids) const;
  uint64_t free_bytes() const;

 private:
  std::filesystem::path videos_, inputs_;
};

}  // namespace wan::serve
