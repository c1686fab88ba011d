#include "cli/generate_json.h"

#include <nlohmann/json.hpp>

#include "base/build_info.h"
#include "cli/engine_environment.h"
#include "pipeline/request_json.h"
#include "pipeline/weight_files.h"
#include "results/json.h"
#include "suite/decided.h"
#include "suite/engine_process.h"

namespace wan::cli {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const std::optional<VideoFailure>& failure) {
  if (!failure) return nullptr;
  return {{"kind", suite::word_of(failure->kind)}, {"message", failure->message}};
}

template <class T>
Json json_of(const Measured<T>& value) {
  if (value.has()) return {{"value", *value.value}, {"source", value.source}};
  return {{"value", nullptr}, {"reason", value.reason.empty() ? "not_measured" : value.reason}};
}

Json json_of(const std::optional<Outcome>& outcome) {
  if (!outcome) return nullptr;
  return {{"task", outcome->task},
          {"width", outcome->width},
          {"height", outcome->height},
          {"num_frames", outcome->num_frames},
          {"fps", outcome->fps},
          {"steps", outcome->steps},
          {"frames_sha256", outcome->video_sha256}};
}

Json json_of(const std::optional<Replayed>& replay, const std::optional<Outcome>& outcome) {
  if (!replay) return nullptr;
  Json steps = Json::array();
  for (const ReplayedStep& step : outcome->replayed)
    steps.push_back({{"step", step.step}, {"relative_l2", step.relative_l2}, {"cosine", step.cosine}});
  return {{"precision_class", to_string(replay->precision_class)},
          {"bound", replay->bound ? Json(*replay->bound) : Json(nullptr)},
          {"holds", replay->holds()},
          {"steps", std::move(steps)}};
}

Json json_of_path(const std::filesystem::path& path) { return path.empty() ? Json(nullptr) : Json(path.string()); }

Json files_of(const VideoResult& video) {
  if (!video.outcome) return {{"output", nullptr}, {"frames", nullptr}, {"dump", nullptr}};
  return {{"output", json_of_path(video.request.output)},
          {"frames", json_of_path(video.request.frames)},
          {"dump", json_of_path(video.request.dump)}};
}

const char* status_of(const std::optional<VideoFailure>& failure) {
  if (!failure) return "ok";
  return failure->kind == ErrorKind::kInterrupted ? "interrupted" : "failed";
}

Json execution_of_cost(const VideoCost& cost) {
  if (!cost.decisions) return nullptr;
  Execution execution = suite::execution_of(*cost.decisions);
  execution.environment = engine_environment();
  return Json::parse(execution_to_json(execution));
}

Json loras_of_cost(const VideoCost& cost) {
  Json list = Json::array();
  if (!cost.decisions) return list;
  for (const LoraUse& use : cost.decisions->loras) {
    Json weights = Json::array();
    for (const auto& [expert, count] : use.weights)
      weights.push_back({{"expert", expert.empty() ? Json(nullptr) : Json(expert)}, {"count", count}});
    list.push_back({{"file", use.file},
                    {"strength", use.strength},
                    {"expert", use.expert.empty() ? Json(nullptr) : Json(use.expert)},
                    {"digest", use.digest},
                    {"digest_kind", kEdgeDigest},
                    {"tensors", {{"applied", use.applied}, {"ignored", use.ignored}, {"unmatched", use.unmatched}}},
                    {"unmatched_names", use.unmatched_names},
                    {"weights", weights}});
  }
  return list;
}

Json forwards_json(const VideoResult& video) {
  if (!video.outcome) return nullptr;
  return Json::parse(forwards_to_json(suite::forwards_of(video.outcome->forwards)));
}

Json json_of(const VideoResult& video) {
  const VideoCost cost = video.cost.value_or(VideoCost{});
  return {{"status", status_of(video.failure)},
          {"error", json_of(video.failure)},
          {"source", video.where.empty() ? Json(nullptr) : Json(video.where)},
          {"request", Json::parse(shown_request_json(video.request))},
          {"outcome", json_of(video.outcome)},
          {"forwards", forwards_json(video)},
          {"replay", json_of(replayed(video), video.outcome)},
          {"files", files_of(video)},
          {"recipe", cost.decisions ? Json(cost.decisions->recipe) : Json(nullptr)},
          {"loras", loras_of_cost(cost)},
          {"execution", execution_of_cost(cost)},
          {"total_ns", json_of(total_ns(cost))},
          {"step_ns", json_of(step_ns(cost))},
          {"device_peak_bytes", json_of(device_peak_bytes(cost))},
          {"host_peak_bytes", json_of(host_peak_bytes(cost))},
          {"energy_j", json_of(energy_j(cost))},
          {"stages", Json::parse(stages_to_json(cost.stages))}};
}

/// The first that went wrong, of the whole or of a video.
std::optional<VideoFailure> first_failure(const std::vector<VideoResult>& videos,
                                          const std::optional<VideoFailure>& failure) {
  if (failure) return failure;
  for (const VideoResult& video : videos)
    if (video.failure) return video.failure;
  return std::nullopt;
}

}  // namespace

std::string generate_json(const std::vector<VideoResult>& videos, ExitCode code,
                          const std::optional<VideoFailure>& failure) {
  const BuildInfo& build = build_info();
  const std::optional<VideoFailure> first = first_failure(videos, failure);
  Json document = {{"schema", {{"name", "wanbench.generate"}, {"major", 1}, {"minor", 2}}},
                   {"tool", {{"version", build.version}, {"git_commit", build.revision}, {"git_dirty", build.dirty}}},
                   {"status", status_of(code == ExitCode::kInterrupted || code == ExitCode::kTerminated
                                            ? VideoFailure{ErrorKind::kInterrupted, {}, code}
                                            : first)},
                   {"exit_code", static_cast<int>(code)},
                   {"error", json_of(first)},
                   {"videos", Json::array()}};
  for (const VideoResult& video : videos) document["videos"].push_back(json_of(video));
  return document.dump(1, ' ', true, Json::error_handler_t::replace) + "\n";
}

}  // namespace wan::cli
