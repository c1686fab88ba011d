#include "cli/generate_outputs.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "base/flags.h"
#include "base/output_file.h"
#include "io/video_name.h"

namespace wan::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDump = "--dump";
constexpr const char* kFrames = "--frames";
constexpr const char* kPreview = "--preview";

/// Of "frame_00012.png".
std::optional<int64_t> frame_number(const std::string& name) {
  constexpr std::string_view kBegin = "frame_", kEnd = ".png";
  if (!name.starts_with(kBegin) || !name.ends_with(kEnd) || name.size() < kBegin.size() + kEnd.size())
    return std::nullopt;
  const char *first = name.data() + kBegin.size(), *last = name.data() + name.size() - kEnd.size();
  int64_t number = 0;
  const auto [after, failure] = std::from_chars(first, last, number);
  return failure == std::errc{} && after == last && number >= 0 ? std::optional(number) : std::nullopt;
}

std::vector<fs::path> frames_in(const fs::path& folder) {
  std::vector<fs::path> frames;
  std::error_code failure;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, failure))
    if (frame_number(entry.path().filename().string())) frames.push_back(entry.path());
  return frames;
}

void require_new(const char* flag, const fs::path& file) {
  std::error_code ignored;
  require(file.empty() || !fs::exists(fs::symlink_status(file, ignored)),
          fmt::format("{} {}: there is such a file already; name another, or say {} to replace it", flag, file.string(),
                      kForce),
          ErrorKind::kUsage);
}

void require_new_frames(const fs::path& folder) {
  if (folder.empty()) return;
  const size_t there = frames_in(folder).size();
  require(there == 0,
          fmt::format("{} {}: {} frames of an earlier video are there already; name another folder, or say {} to "
                      "replace them",
                      kFrames, folder.string(), there, kForce),
          ErrorKind::kUsage);
}

}  // namespace

void require_outputs(const Request& request, Existing existing, const fs::path& preview) {
  std::vector<std::pair<std::string, fs::path>> paths{{flags::kOutput, request.output},
                                                      {kDump, request.dump},
                                                      {"the curve of this run", request.curve},
                                                      {kFrames, request.frames},
                                                      {kPreview, preview},
                                                      {"--image", request.image},
                                                      {"--initial-latent", request.initial_latent},
                                                      {flags::kReplay, request.replay},
                                                      {flags::kCacheCurve, request.cache_curve},
                                                      {flags::kTuningTable, request.tuning_table},
                                                      {flags::kCheckpoint, request.checkpoint},
                                                      {"--dit", request.dit},
                                                      {"--dit-high", request.dit_high},
                                                      {"--dit-low", request.dit_low},
                                                      {"--text-encoder", request.text_encoder},
                                                      {"--vae", request.vae},
                                                      {"--tokenizer", request.tokenizer}};
  std::set<fs::path> loras;  // one may serve both experts
  for (const LoraChoice& lora : request.weights().loras)
    if (loras.insert(lora.file).second) paths.emplace_back(flags::kLora, lora.file);
  require_distinct(paths);
  // An output is no input; a video may end with the frame it begins with.
  require_distinct({{flags::kOutput, request.output},
                    {kDump, request.dump},
                    {kFrames, request.frames},
                    {kPreview, preview},
                    {"--last-image", request.last_image}});
  // One film may be both.
  for (const auto& input : {std::pair<std::string, fs::path>("--audio", request.audio),
                            std::pair<std::string, fs::path>("--pose-video", request.pose_video)})
    require_distinct({{flags::kOutput, request.output},
                      {kDump, request.dump},
                      {kFrames, request.frames},
                      {kPreview, preview},
                      input});
  std::error_code unknown;
  if (fs::is_directory(request.animate_inputs, unknown))
    for (const auto& entry : fs::directory_iterator(request.animate_inputs))
      require_distinct({{flags::kOutput, request.output},
                        {kDump, request.dump},
                        {kFrames, request.frames},
                        {kPreview, preview},
                        {"--animate-inputs", entry.path()}});
  require(request.frames.empty() || !fs::exists(request.frames) || fs::is_directory(request.frames),
          fmt::format("{} is no folder: name one for {}", request.frames.string(), kFrames), ErrorKind::kUsage);
  for (const fs::path& file : {request.output, request.dump, request.curve, preview})
    if (!file.empty()) require_output(file);
  if (!request.output.empty()) require_video_name(request.output);
  if (existing == Existing::kReplaced) return;
  require_new(flags::kOutput, request.output);
  require_new(flags::kOutput, request.curve);
  require_new(kDump, request.dump);
  require_new(kPreview, preview);
  require_new_frames(request.frames);
}

void require_places(const Request& request, const fs::path& preview) {
  for (const fs::path& file : {request.output, request.dump, request.curve, preview})
    if (!file.empty()) require_writable(file.parent_path(), 0);
}

bool names_folder(const fs::path& path) { return !path.empty() && !path.has_filename(); }

std::string name_of_video(std::string_view prompt, uint64_t seed) {
  constexpr size_t kMostLetters = 40;
  std::string name, word;
  const auto end_word = [&] {
    const bool fits = name.size() + word.size() + (name.empty() ? 0 : 1) <= kMostLetters;
    if (!word.empty() && name.empty()) word.resize(std::min(word.size(), kMostLetters));
    if (!word.empty() && (fits || name.empty())) name += (name.empty() ? "" : "-") + word;
    word.clear();
    return fits;
  };
  bool fits = true;
  for (const char c : prompt) {
    const bool is_large = c >= 'A' && c <= 'Z';
    if (is_large || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
      word += is_large ? static_cast<char>(c - 'A' + 'a') : c;
    else if (!(fits = end_word()))
      break;
    if (word.size() > kMostLetters) break;
  }
  if (fits) end_word();
  return fmt::format("{}-{}", name.empty() ? "video" : name, seed);
}

fs::path unused_file(const fs::path& folder, const std::string& name) {
  constexpr int kMostTries = 100'000;
  for (int number = 1; number <= kMostTries; ++number) {
    const fs::path file = folder / (number == 1 ? name + ".mp4" : fmt::format("{}-{}.mp4", name, number));
    std::error_code ignored;
    if (!fs::exists(fs::symlink_status(file, ignored))) return file;
  }
  throw Error(ErrorKind::kUsage, fmt::format("{}: {} videos of this name are there: name one with {}",
                                             (folder / name).string(), kMostTries, flags::kOutput));
}

void remove_later_frames(const fs::path& folder, int64_t num_frames) {
  std::error_code ignored;
  for (const fs::path& frame : frames_in(folder))
    if (*frame_number(frame.filename().string()) >= num_frames) fs::remove(frame, ignored);
}

}  // namespace wan::cli
