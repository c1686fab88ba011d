// Several videos of one command: named, checked before the first is made, and made one after another.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/generate_outputs.h"
#include "cli/prompts_file.h"
#include "cli/video_maker.h"

namespace wan::cli {

/// Whether videos are to be kept.
enum class Keep { kYes, kNo };

/// Names the outputs: NN-words-seed.mp4 in the folder of --output, or here where neither that nor --frames is given,
/// and below the folder of --frames a folder of that name for each; NN is the number of the video. Throws Error(kUsage)
/// for a --output that is no folder, and for --dump.
void name_outputs(std::vector<PlannedVideo>& videos, const Request& base, Keep keep);

/// All that can be known before work, of each: the options, its outputs, the prompt, the bounds of the model. Throws
/// Error(kUsage, kInput) that names the line of the file. Writes nothing.
void check_videos(std::vector<PlannedVideo>& videos, Existing existing);

/// Makes them one after another and hands each result to `told`. One that fails is left behind; a signal ends all.
std::vector<VideoResult> make_videos(const std::vector<PlannedVideo>& videos, VideoMaker& maker,
                                     const std::function<void(const VideoResult& result, size_t number)>& told);

/// Of all: 0, that of a signal, or 1 where one was not made.
ExitCode code_of(const std::vector<VideoResult>& results);

}  // namespace wan::cli
