#include "serve/video_json.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/json_parse.h"
#include "pipeline/recipe_names.h"
#include "results/enum_names.h"
#include "suite/decided.h"

namespace wan::serve {
namespace {

constexpr int64_t kMsPerSecond = 1000;
constexpr uint64_t kMebibyte = 1 << 20;

OrderedJson seconds_of(const std::optional<int64_t>& ms) {
  return ms ? OrderedJson(*ms / kMsPerSecond) : OrderedJson(nullptr);
}

template <class T>
OrderedJson or_null(const std::optional<T>& value) {
  return value ? OrderedJson(*value) : OrderedJson(nullptr);
}

/// A document of ours out of the store; an empty one where there is none.
nlohmann::json stored(const std::string& text, const std::string& where) {
  return text.empty() ? nlohmann::json::object() : parse_json(text, where);
}

OrderedJson stage_list(const std::vector<StageTime>& stages) {
  OrderedJson list = OrderedJson::array();
  for (const StageTime& stage : stages) list.push_back({{"name", stage.name}, {"seconds", stage.seconds}});
  return list;
}

int progress_of(const VideoView& video) {
  if (video.job.state == JobState::kCompleted) return 100;
  return video.live ? video.live->progress() : 0;
}

/// What the client gave of texts and scales, as it is to be shown again.
void put_given(OrderedJson& json, const nlohmann::json& order) {
  const nlohmann::json given = order.value("given", nlohmann::json::object());
  const nlohmann::json decided = order.value("decided", nlohmann::json::object());
  json["prompt"] = given.value("prompt", "");
  json["negative_prompt"] = given.contains("negative_prompt") ? given["negative_prompt"] : nlohmann::json(nullptr);
  for (const char* key : {"size", "seconds", "num_frames", "fps", "num_inference_steps", "guidance_scale",
                          "guidance_scale_2", "seed", "recipe", "loras", "precision_class"})
    json[key] = decided.contains(key) ? decided[key] : nlohmann::json(nullptr);
  json["has_first_frame"] = given.contains("input_reference");
  json["has_last_frame"] = given.contains("last_frame");
}

void put_live(OrderedJson& json, const VideoView& video) {
  const LiveVideo* live = video.live ? &*video.live : nullptr;
  json["stage"] = live != nullptr && !live->stage().empty() ? OrderedJson(live->stage()) : OrderedJson(nullptr);
  json["step"] = live != nullptr ? or_null(live->step()) : OrderedJson(nullptr);
  json["preview_step"] = live != nullptr ? or_null(live->preview_step()) : OrderedJson(nullptr);
  json["steps"] = live != nullptr && live->steps() > 0 ? OrderedJson(live->steps()) : json["num_inference_steps"];
  json["queue_position"] = or_null(video.queue_position);
  json["expected_seconds"] = video.expected ? OrderedJson(video.expected->seconds) : OrderedJson(nullptr);
  json["expected_from"] =
      video.expected ? OrderedJson(video.expected->basis)
                     : OrderedJson(video.job.is_over() ? "the job is over" : "no video of this kind was made here yet");
  if (live == nullptr) return;
  json["stages"] = stage_list(live->stages());
  json["step_seconds"] = live->step_seconds();
}

void put_result(OrderedJson& json, const Job& job) {
  const nlohmann::json result = stored(job.result, "the result of a job");
  for (const auto& [key, value] : result.items()) json[key] = value;
  json["repeat_command"] = fmt::format("wanbench repeat {}.mp4", job.id);
}

}  // namespace

OrderedJson video_json(const VideoView& video, const ServiceOptions& options) {
  const Job& job = video.job;
  OrderedJson json;
  json["id"] = job.id;
  json["object"] = "video";
  json["model"] = options.model.name;
  json["status"] = enum_name(job.state);
  json["progress"] = progress_of(video);
  json["created_at"] = job.created_ms / kMsPerSecond;
  json["started_at"] = seconds_of(job.started_ms);
  json["completed_at"] = seconds_of(job.ended_ms);
  json["expires_at"] = job.ended_ms ? seconds_of(expires_ms(*job.ended_ms, options.retention)) : OrderedJson(nullptr);
  json["attempts"] = job.attempts;
  json["cancel_requested"] = job.cancel_requested != Job::Cancel::kNo;
  json["error"] =
      job.error
          ? OrderedJson{{"code", job.error->code},
                        {"message", job.error->message},
                        {"advice", job.error->advice.empty() ? OrderedJson(nullptr) : OrderedJson(job.error->advice)}}
          : OrderedJson(nullptr);
  put_given(json, stored(job.order, "the order of a job"));
  json["remixed_from_video_id"] = nullptr;
  put_live(json, video);
  if (job.state == JobState::kCompleted) put_result(json, job);
  return json;
}

OrderedJson model_json(const ServedModel& model) {
  OrderedJson json = {{"id", model.name},
                      {"object", "model"},
                      {"owned_by", "wanbench"},
                      {"family", model.family},
                      {"task", model.task},
                      {"size", fmt::format("{}x{}", model.width, model.height)},
                      {"num_frames", model.num_frames},
                      {"fps", model.fps},
                      {"num_inference_steps", model.steps},
                      {"recipe", model.recipe}};
  json["recipes"] = recipe_names();
  json["device"] = model.device;
  json["takes_input_reference"] = model.image == TakesImage::kNever ? "never"
                                  : model.image == TakesImage::kMay ? "optional"
                                                                    : "required";
  json["takes_last_frame"] = model.takes_last_image;
  return json;
}

OrderedJson error_json(const ApiError& error) {
  const char* type = error.status() >= 500 ? "server_error" : "invalid_request_error";
  return {{"error",
           {{"message", error.what()},
            {"type", type},
            {"param", error.field().empty() ? OrderedJson(nullptr) : OrderedJson(error.field())},
            {"code", error.code()},
            {"advice", error.advice().empty() ? OrderedJson(nullptr) : OrderedJson(error.advice())}}}};
}

std::string order_text(const Order& order, const Decisions& decisions) {
  nlohmann::json decided;
  decided["size"] = fmt::format("{}x{}", decisions.width, decisions.height);
  decided["seconds"] = fmt::format("{:.4g}", static_cast<double>(decisions.num_frames) / decisions.fps);
  decided["num_frames"] = decisions.num_frames;
  decided["fps"] = decisions.fps;
  decided["num_inference_steps"] = decisions.steps;
  const bool has_two = decisions.experts > 1;
  decided["guidance_scale"] = has_two ? decisions.guidance_high : decisions.guidance_low;
  if (has_two) decided["guidance_scale_2"] = decisions.guidance_low;
  decided["seed"] = order.request.seed;
  decided["recipe"] = decisions.recipe;
  decided["loras"] = nlohmann::json::array();
  for (const LoraUse& lora : decisions.loras)
    decided["loras"].push_back({{"file", lora.file}, {"strength", lora.strength}, {"expert", lora.expert}});
  decided["precision_class"] = to_string(suite::precision_class(decisions));
  const nlohmann::json all = {{"given", parse_json(order.given, "an order")}, {"decided", decided}};
  return all.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

namespace {

/// Of the time in which a worker made the video, at what it costs an hour.
void put_price(OrderedJson& json, const std::optional<double>& seconds, const std::optional<HourPrice>& hour) {
  constexpr double kSecondsAnHour = 3600;
  const bool is_known = seconds && hour;
  json["price"] = is_known ? OrderedJson(*seconds / kSecondsAnHour * hour->amount) : OrderedJson(nullptr);
  json["price_currency"] = is_known ? OrderedJson(hour->currency) : OrderedJson(nullptr);
  json["price_reason"] = is_known ? OrderedJson(nullptr)
                         : hour   ? OrderedJson("the time of this video is not known")
                                  : OrderedJson("the server was started without --price-per-hour");
}

}  // namespace

std::string result_text(const LiveVideo& live, const suite::Finished& finished, const VideoCosts& costs) {
  const std::optional<uint64_t>& device_bytes = live.peak_device_bytes();
  const std::optional<uint64_t> peak = device_bytes ? device_bytes : live.peak_host_bytes();
  OrderedJson json;
  json["size"] = fmt::format("{}x{}", finished.width, finished.height);
  json["num_frames"] = finished.num_frames;
  json["inference_time_s"] = or_null(live.service_s());
  json["stages"] = stage_list(live.stages());
  json["step_seconds"] = live.step_seconds();
  json["peak_memory_mb"] = peak ? OrderedJson(*peak / kMebibyte) : OrderedJson(nullptr);
  json["peak_memory_of"] = device_bytes ? "device" : "host";
  json["energy_j"] = or_null(costs.energy_j);
  json["energy_reason"] = costs.energy_j ? OrderedJson(nullptr) : OrderedJson(costs.no_energy);
  put_price(json, live.service_s(), costs.hour);
  json["device_name"] = live.device();
  json["residency"] = live.residency();
  json["frames_sha256"] = finished.video_sha256;
  return text_of(json);
}

std::string text_of(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace wan::serve
