#include "load/sdcpp_adapter.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "load/server_json.h"

namespace wan::load {
namespace {

using Json = nlohmann::json;

/// A path of that server: nothing that could be a header or lead elsewhere.
bool is_path(const std::string& text) {
  constexpr size_t kMost = 300;
  return text.starts_with('/') && !text.starts_with("//") && text.size() <= kMost &&
         text.find("..") == std::string::npos && std::ranges::all_of(text, [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '/' || c == '-' || c == '_' || c == '.';
         });
}

JobView::State state_in(const Json& json) {
  const std::string status = text_in(json, "status");
  if (status == "queued") return JobView::State::kQueued;
  if (status == "generating") return JobView::State::kRunning;
  if (status == "completed") return JobView::State::kCompleted;
  if (status == "failed") return JobView::State::kFailed;
  if (status == "cancelled") return JobView::State::kCancelled;
  throw Error(ErrorKind::kInput, fmt::format("the job's status is '{}': expected queued, generating, completed, failed "
                                             "or cancelled",
                                             status));
}

class SdcppAdapter final : public Adapter {
 public:
  std::string tried() const override { return "never run against the real server"; }
  HttpAsk about() const override { return {"GET", "/sdcpp/v1/capabilities", "", ""}; }

  ServerFacts facts(const std::string& body) const override {
    const Json json = object_of(body);
    return {text_in(member(json, "model"), "name"), "stable-diffusion.cpp"};
  }

  HttpAsk order(const Order& order) const override {
    Json json = {
        {"prompt", order.prompt}, {"negative_prompt", order.negative_prompt}, {"seed", order.seed & 0x7fffffff}};
    if (order.width > 0) json["width"] = order.width;
    if (order.height > 0) json["height"] = order.height;
    if (order.num_frames > 0) json["video_frames"] = order.num_frames;
    Json sampling = Json::object();
    if (order.steps > 0) sampling["sample_steps"] = order.steps;
    if (order.shift) sampling["flow_shift"] = *order.shift;
    // Its sample_params are of the only model, or of low noise.
    if (const auto scale = order.guidance_scale_2 ? order.guidance_scale_2 : order.guidance_scale)
      sampling["guidance"] = {{"txt_cfg", *scale}};
    if (!sampling.empty()) json["sample_params"] = sampling;
    if (order.guidance_scale_2 && order.guidance_scale)
      json["high_noise_sample_params"] = {{"guidance", {{"txt_cfg", *order.guidance_scale}}}};
    return {"POST", "/sdcpp/v1/vid_gen", "application/json", json.dump()};
  }

  JobHandle taken_in(const std::string& body) const override {
    const Json json = object_of(body);
    const std::string id = id_in(json, "id"), path = text_in(json, "poll_url");
    return {id, is_path(path) ? path : "/sdcpp/v1/jobs/" + id};
  }

  JobView first_view(const JobHandle& job, const std::string& body) const override { return view(job, body); }

  /// Its times are whole seconds: when it was asked is sharper, so they are left aside.
  JobView view(const JobHandle&, const std::string& body) const override {
    const Json json = object_of(body);
    JobView view;
    view.state = state_in(json);
    if (view.state == JobView::State::kFailed) view.detail = text_in(member(json, "error"), "code");
    if (const std::optional<double> position = number_in(json, "queue_position"); position && *position >= 1)
      view.told.queue_position = static_cast<int64_t>(std::min(*position, 1e9));
    view.told.why_no_energy = "this kind of server tells no energy";
    view.told.why_no_price = "this kind of server tells no price";
    return view;
  }

  std::vector<HttpAsk> cancel(const JobHandle& job) const override {
    return {{"POST", "/sdcpp/v1/jobs/" + job.id + "/cancel", "", ""}};
  }
};

}  // namespace

std::unique_ptr<Adapter> make_sdcpp_adapter() { return std::make_unique<SdcppAdapter>(); }

}  // namespace wan::load
