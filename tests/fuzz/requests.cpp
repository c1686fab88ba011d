// What asks for videos beside suites: a file of prompts, what an mp4 says of how it was made, and a step cache's curve.
#include "cli/prompts_file.h"
#include "pipeline/cache_curve.h"
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
  for (const auto& path :
       {request.checkpoint, request.image, request.last_image, request.initial_latent, request.tuning_table,
        request.output, request.frames, request.dump, request.cache_curve, request.curve})
    check(path.empty(), "a video names no path");
  const std::string written = to_json(metadata);
  check(read_again([&] { return video_metadata_from_json(written, "written"); }) == metadata,
        "metadata is read as it was written");
}

void cache_curve(Bytes input) {
  CacheCurve curve = cache_curve_from_json(text_of(input), "fuzz");
  for (const size_t steps : {curve.ratios.steps(), size_t{2}, size_t{73}}) {
    std::vector<StepFacts> facts(steps, StepFacts{0, true, true});
    for (size_t i = steps / 2; i < steps; ++i) facts[i].expert = 1;
    std::vector<StepForwards> forwards = exact_forwards(facts);
    reuse_by_magnitude(facts, at_steps(curve.ratios, steps), curve.settings, forwards);
    check(forwards.front().cond == Forward::kComputed && forwards.back().cond == Forward::kComputed,
          "a schedule computes its ends");
    check(forwards[steps / 2].cond == Forward::kComputed, "an expert begins anew");
  }
  const std::string written = to_json(curve);
  check(read_again([&] { return to_json(cache_curve_from_json(written, "written")); }) == written,
        "a curve is read as it was written");
}

}  // namespace wan::fuzz
