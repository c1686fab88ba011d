// An mp4 that may come from anybody, opened for reading. Only for files that use FFmpeg.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

extern "C" {
#include <libavformat/avformat.h>
}

namespace wan {

struct CloseMp4 {
  void operator()(AVFormatContext* format) const { avformat_close_input(&format); }
};
using Mp4Input = std::unique_ptr<AVFormatContext, CloseMp4>;

/// Throws Error(kInput) that begins with the file's name and says "cannot `action`" and FFmpeg's reason when `code` is
/// negative.
void check_mp4(int code, const std::filesystem::path& file, const std::string& action);

/// Reads the file's header as one of FFmpeg's `formats`, told by its content: "wav,flac"; else as open_mp4.
Mp4Input open_media(const std::filesystem::path& file, const std::string& action, const char* formats);

/// Reads the file's header as mp4, whatever it holds; no other file is opened, and FFmpeg allocates at most 256 MiB at
/// once. Throws Error(kInput) naming the file.
Mp4Input open_mp4(const std::filesystem::path& file, const std::string& action);

}  // namespace wan
