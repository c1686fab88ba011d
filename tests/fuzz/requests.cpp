// What asks for videos beside suites: a file of prompts, and what an mp4 says of how it was made.
#include "cli/prompts_file.h"
#include "pipeline/request_options.h"
#include "pipeline/video_metadata.h"
#include "targets.h"

namespace wan::fuzz {

void prompts(Bytes input) {
  for (const cli::PlannedVideo& video : cli::read_prompts(as_file(input), Request{})) {
    check(!video.request.prompt.empty(), "a line has a prompt");
    check(video.request.output.empty() && video.request.frames.empty() && video.request.dump.empty(),
          "a line names no output");
    read_again([&] {
      check_request(video.request);
      return 0;
    });
  }
}

void video_metadata(Bytes input) {
  const VideoMetadata metadata = video_metadata_from_json(text_of(input), "fuzz");
  const Request& request = metadata.request;
  for (const auto& path : {request.checkpoint, request.image, request.last_image, request.initial_latent,
                           request.tuning_table, request.output, request.frames, request.dump})
    check(path.empty(), "a video names no path");
  const std::string written = to_json(metadata);
  check(read_again([&] { return video_metadata_from_json(written, "written"); }) == metadata,
        "metadata is read as it was written");
}

}  // namespace wan::fuzz
