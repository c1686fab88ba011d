// What `generate` writes: seen before any work, and named where nobody has named it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "pipeline/request.h"

namespace wan::cli {

/// What becomes of an output that is there already.
enum class Existing { kRefused, kReplaced };

inline constexpr const char* kForce = "--force";

/// Throws Error(kUsage) naming the flag for an output that cannot be written, of another format than its name says,
/// that means the same file as another option, or that is there already and is not to be replaced. Writes nothing.
/// `preview`: of --preview, or empty.
void require_outputs(const Request& request, Existing existing, const std::filesystem::path& preview = {});

/// Throws Error(kUsage) when a file cannot be created where the outputs go; makes their folders.
void require_places(const Request& request, const std::filesystem::path& preview = {});

/// Whether a path of --output means a folder: it ends with a slash.
bool names_folder(const std::filesystem::path& path);

/// "a-cat-on-a-skateboard-42": the first words of a prompt in small letters and digits of ASCII, at most 40 of them,
/// and the seed; "video-42" for a prompt that has none.
std::string name_of_video(std::string_view prompt, uint64_t seed);

/// FOLDER/NAME.mp4, or with -2, -3 and so on behind the name: one that is not there.
std::filesystem::path unused_file(const std::filesystem::path& folder, const std::string& name);

/// Removes from a folder the frames of an earlier, longer video that were not replaced: those from number `num_frames`
/// on.
void remove_later_frames(const std::filesystem::path& folder, int64_t num_frames);

}  // namespace wan::cli
