#include "io/mp4_input.h"

#include <array>

#include <fmt/format.h>

#include "base/error.h"

namespace wan {
namespace {

constexpr size_t kMostBytes = size_t{256} << 20;  // that FFmpeg allocates at once, whatever a file says of itself

Mp4Input open_input(const std::filesystem::path& file, const std::string& action, const AVInputFormat* format,
                    const char* formats) {
  av_max_alloc(kMostBytes);
  av_log_set_level(AV_LOG_QUIET);  // FFmpeg prints on its own otherwise; its errors come back as codes
  AVDictionary* settings = nullptr;
  av_dict_set(&settings, "protocol_whitelist", "file", 0);
  av_dict_set(&settings, "enable_drefs", "0", 0);  // nor may an mp4 refer to another file
  if (formats != nullptr) av_dict_set(&settings, "format_whitelist", formats, 0);
  AVFormatContext* context = nullptr;
  // "file:" keeps FFmpeg from reading a protocol into the name
  const int opened = avformat_open_input(&context, ("file:" + file.string()).c_str(), format, &settings);
  av_dict_free(&settings);
  check_mp4(opened, file, action);
  return Mp4Input(context);
}

}  // namespace

void check_mp4(int code, const std::filesystem::path& file, const std::string& action) {
  if (code >= 0) return;
  std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
  av_strerror(code, text.data(), text.size());
  throw Error(ErrorKind::kInput, fmt::format("{}: cannot {}: {}", file.string(), action, text.data()));
}

Mp4Input open_mp4(const std::filesystem::path& file, const std::string& action) {
  // What a file holds would else choose its reader, and some readers open other files: a playlist its parts.
  const AVInputFormat* mp4 = av_find_input_format("mp4");
  require(mp4 != nullptr, file.string() + ": the FFmpeg libraries on this machine read no mp4", ErrorKind::kInput);
  return open_input(file, action, mp4, nullptr);
}

Mp4Input open_media(const std::filesystem::path& file, const std::string& action, const char* formats) {
  return open_input(file, action, nullptr, formats);
}

}  // namespace wan
