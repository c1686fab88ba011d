#include "serve/video_files.h"

#include <set>

#include <fmt/format.h>

#include "base/error.h"

namespace wan::serve {
namespace fs = std::filesystem;
namespace {

constexpr const char* kPreviewEnd = ".preview.png";

void make_folder(const fs::path& folder) {
  std::error_code failure;
  fs::create_directories(folder, failure);
  if (!failure) fs::permissions(folder, fs::perms::owner_all, failure);
  if (failure) throw Error(fmt::format("cannot make the folder {}: {}", folder.string(), failure.message()));
}

void remove_file(const fs::path& file) {
  std::error_code ignored;
  fs::remove(file, ignored);
}

}  // namespace

VideoFiles::VideoFiles(const fs::path& folder) : videos_(folder / "videos"), inputs_(folder / "inputs") {
  make_folder(videos_);
  make_folder(inputs_);
}

fs::path VideoFiles::video(const std::string& id) const { return videos_ / (id + ".mp4"); }
fs::path VideoFiles::poster(const std::string& id) const { return videos_ / (id + ".poster.png"); }
fs::path VideoFiles::last_frame(const std::string& id) const { return videos_ / (id + ".last.png"); }
fs::path VideoFiles::preview(const std::string& id) const { return videos_ / (id + kPreviewEnd); }
fs::path VideoFiles::first_image(const std::string& id) const { return inputs_ / (id + ".first"); }
fs::path VideoFiles::last_image(const std::string& id) const { return inputs_ / (id + ".last"); }

uint64_t VideoFiles::bytes_of(const std::string& id) const {
  uint64_t sum = 0;
  for (const fs::path& file : {video(id), poster(id), last_frame(id)}) {
    std::error_code missing;
    const uint64_t bytes = fs::file_size(file, missing);
    if (!missing) sum += bytes;
  }
  return sum;
}

void VideoFiles::remove_preview(const std::string& id) const { remove_file(preview(id)); }

void VideoFiles::remove_made(const std::string& id) const {
  remove_preview(id);
  for (const fs::path& file : {video(id), poster(id), last_frame(id)}) remove_file(file);
}

void VideoFiles::remove_all(const std::string& id) const {
  remove_made(id);
  for (const fs::path& file : {first_image(id), last_image(id)}) remove_file(file);
}

int64_t VideoFiles::remove_others(const std::vector<std::string>& ids) const {
  const std::set<std::string> known(ids.begin(), ids.end());
  std::vector<fs::path> others;
  for (const fs::path& folder : {videos_, inputs_}) {
    std::error_code error;
    for (auto it = fs::directory_iterator(folder, error); !error && it != fs::directory_iterator();
         it.increment(error)) {
      const std::string name = it->path().filename().string();
      const bool is_left_preview = name.ends_with(kPreviewEnd);  // of a video that was being made
      if (is_left_preview || !known.contains(name.substr(0, name.find('.')))) others.push_back(it->path());
    }
  }
  for (const fs::path& file : others) remove_file(file);
  return static_cast<int64_t>(others.size());
}

uint64_t VideoFiles::free_bytes() const {
  std::error_code failure;
  const fs::space_info space = fs::space(videos_, failure);
  return failure ? 0 : space.available;
}

}  // namespace wan::serve
