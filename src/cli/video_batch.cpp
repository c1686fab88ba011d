#include "cli/video_batch.h"

#include <map>
#include <tuple>

#include <fmt/format.h>

#include "base/flags.h"
#include "cli/request_options.h"
#include "model/text_cleaning.h"
#include "pipeline/plan.h"

namespace wan::cli {
namespace {

namespace fs = std::filesystem;

/// What plans need of a checkpoint, opened once for all requests of it.
class OpenedModels {
 public:
  const ModelSet& of(const Request& request) {
    const Key key{request.weights(), request.model, request.random_weights, request.stored_as};
    const auto found = opened_.find(key);
    return found != opened_.end() ? found->second : opened_.emplace(key, open_models(request)).first->second;
  }

 private:
  using Key = std::tuple<WeightChoice, std::string, bool, std::optional<StoredAs>>;
  std::map<Key, ModelSet> opened_;
};

void check_video(PlannedVideo& video, Existing existing, OpenedModels& models) {
  video.request = checked(video.request);
  require_outputs(video.request, existing);
  clean_prompt(video.request.prompt);
  make_plan(video.request, models.of(video.request));
}

/// "prompts.txt:3: ", unless the message begins so already.
Error at_line(const Error& problem, const std::string& where) {
  const std::string message = problem.what();
  const bool is_placed = where.empty() || message.starts_with(where);
  return {problem.kind(), is_placed ? message : where + ": " + message};
}

}  // namespace

void name_outputs(std::vector<PlannedVideo>& videos, const Request& base, Keep keep) {
  require(base.dump.empty(), "--dump writes the intermediates of one video: leave out --prompts and --seeds",
          ErrorKind::kUsage);
  require(base.output.empty() || names_folder(base.output),
          fmt::format("{} {}: several videos go into a folder: name one, with a slash at its end, as {}/",
                      flags::kOutput, base.output.string(), (base.output.parent_path() / base.output.stem()).string()),
          ErrorKind::kUsage);
  const bool has_video = !base.output.empty() || (keep == Keep::kYes && base.frames.empty());
  const size_t digits = std::max<size_t>(2, std::to_string(videos.size()).size());
  for (size_t i = 0; i < videos.size(); ++i) {
    Request& request = videos[i].request;
    const std::string name = fmt::format("{:0{}}-{}", i + 1, digits, name_of_video(request.prompt, request.seed));
    request.output = has_video ? base.output / (name + ".mp4") : fs::path();
    request.frames = base.frames.empty() ? fs::path() : base.frames / name;
  }
}

void check_videos(std::vector<PlannedVideo>& videos, Existing existing) {
  OpenedModels models;
  for (PlannedVideo& video : videos) {
    try {
      check_video(video, existing, models);
    } catch (const Error& problem) {
      throw at_line(problem, video.where);
    }
  }
}

std::vector<VideoResult> make_videos(const std::vector<PlannedVideo>& videos, VideoMaker& maker,
                                     const std::function<void(const VideoResult& result, size_t number)>& told) {
  std::vector<VideoResult> results;
  for (const PlannedVideo& video : videos) {
    VideoResult& result = results.emplace_back();
    result.where = video.where;
    result.request = video.request;
    maker.try_to_make(result);
    told(result, results.size());
    if (result.failure && result.failure->kind == ErrorKind::kInterrupted) break;
  }
  return results;
}

ExitCode code_of(const std::vector<VideoResult>& results) {
  ExitCode code = ExitCode::kSuccess;
  for (const VideoResult& result : results) {
    if (!result.failure) continue;
    if (result.failure->kind == ErrorKind::kInterrupted) return result.failure->code;
    code = ExitCode::kFailure;
  }
  return code;
}

}  // namespace wan::cli
