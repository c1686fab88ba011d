#include "load/videos_adapter.h"

#include <charconv>
#include <map>

#include <fmt/format.h>

#include "base/error.h"
#include "load/server_json.h"

namespace wan::load {
namespace {

using Json = nlohmann::json;

constexpr size_t kMostStages = 32;
constexpr double kMostWatts = 1e7;  // what load.json takes

/// The value of the label `device` of a line of metrics; where it has none, all that is ahead of the number.
std::string card_in(std::string_view line) {
  constexpr std::string_view kLabel = "device=\"";
  const size_t at = line.find(kLabel);
  if (at == std::string_view::npos) return std::string(line.substr(0, line.rfind(' ')));
  const size_t begin = at + kLabel.size();
  return std::string(line.substr(begin, line.find('"', begin) - begin));
}

std::string size_of(const Order& order) { return fmt::format("{}x{}", order.width, order.height); }

/// What is said of the video, by the names that the open servers share.
Json fields_of(const Order& order) {
  Json json = {{"prompt", order.prompt}, {"seed", order.seed}};
  if (!order.negative_prompt.empty()) json["negative_prompt"] = order.negative_prompt;
  if (order.width > 0) json["size"] = size_of(order);
  if (order.num_frames > 0) json["num_frames"] = order.num_frames;
  if (order.steps > 0) json["num_inference_steps"] = order.steps;
  if (order.guidance_scale) json["guidance_scale"] = *order.guidance_scale;
  if (order.guidance_scale_2) json["guidance_scale_2"] = *order.guidance_scale_2;
  if (order.shift) json["flow_shift"] = *order.shift;
  if (!order.recipe.empty()) json["recipe"] = order.recipe;
  return json;
}

/// A form without files; its edge is in none of the values.
HttpAsk form_of(const Json& fields) {
  std::string edge = "wanbench-load";
  const auto is_in_a_value = [&] {
    for (const auto& [name, value] : fields.items())
      if (value.is_string() && value.get_ref<const std::string&>().find(edge) != std::string::npos) return true;
    return false;
  };
  while (is_in_a_value()) edge += '-';
  HttpAsk ask{"POST", "/v1/videos", "multipart/form-data; boundary=" + edge, ""};
  for (const auto& [name, value] : fields.items())
    ask.body += fmt::format("--{}\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n{}\r\n", edge, name,
                            value.is_string() ? value.get<std::string>() : value.dump());
  ask.body += fmt::format("--{}--\r\n", edge);
  return ask;
}

JobView::State state_in(const Json& json) {
  const std::string status = text_in(json, "status");
  if (status == "queued") return JobView::State::kQueued;
  if (status == "in_progress") return JobView::State::kRunning;
  if (status == "completed") return JobView::State::kCompleted;
  if (status == "failed") return JobView::State::kFailed;
  if (status == "cancelled" || status == "canceled") return JobView::State::kCancelled;
  throw Error(ErrorKind::kInput, fmt::format("the video's status is '{}': expected queued, in_progress, completed, "
                                             "failed or cancelled",
                                             status));
}

class VideosAdapter : public Adapter {
 public:
  explicit VideosAdapter(VideosBody body) : body_(body) {}

  std::string tried() const override { return "never run against the real server"; }
  HttpAsk about() const override { return {"GET", "/v1/models", "", ""}; }

  ServerFacts facts(const std::string& body) const override {
    const Json json = object_of(body);
    const Json& list = member(json, "data");
    if (!list.is_array() || list.empty()) return {};
    return {text_in(list.front(), "id"), text_in(list.front(), "owned_by")};
  }

  HttpAsk order(const Order& order) const override {
    if (body_ == VideosBody::kForm) return form_of(fields_of(order));
    return {"POST", "/v1/videos", "application/json", fields_of(order).dump()};
  }

  JobHandle taken_in(const std::string& body) const override {
    const std::string id = id_in(object_of(body), "id");
    return {id, "/v1/videos/" + id};
  }

  JobView first_view(const JobHandle& job, const std::string& body) const override { return view(job, body); }

  JobView view(const JobHandle&, const std::string& body) const override {
    const Json json = object_of(body);
    JobView view;
    view.state = state_in(json);
    if (view.state == JobView::State::kFailed) view.detail = failure_in(json);
    fill(json, view.told);
    return view;
  }

  std::vector<HttpAsk> cancel(const JobHandle& job) const override { return {{"DELETE", job.path, "", ""}}; }

 protected:
  virtual void fill(const Json& json, Told& told) const {
    told.inference_s = number_in(json, "inference_time_s");
    told.why_no_energy = "this kind of server tells no energy";
    told.why_no_price = "this kind of server tells no price";
  }

 private:
  static std::string failure_in(const Json& json) {
    const Json& error = member(json, "error");
    const std::string code = text_in(error, "code");
    return code.empty() ? text_in(error, "message") : code;
  }

  VideosBody body_;
};

class OwnAdapter final : public VideosAdapter {
 public:
  OwnAdapter() : VideosAdapter(VideosBody::kJson) {}

  void require_takes(const Order&) const override {}
  std::string tried() const override { return "run against wanbench serve, in the tests"; }

  ServerFacts facts(const std::string& body) const override {
    const Json json = object_of(body);
    const Json& list = member(json, "data");
    if (!list.is_array() || list.empty()) return {};
    return {text_in(list.front(), "id"), text_in(list.front(), "device")};
  }

  std::vector<HttpAsk> cancel(const JobHandle& job) const override { return {{"POST", job.path + "/cancel", "", ""}}; }
  std::optional<HttpAsk> events(const JobHandle& job) const override {
    return HttpAsk{"GET", job.path + "/events", "", ""};
  }
  std::optional<HttpAsk> power() const override { return HttpAsk{"GET", "/metrics", "", ""}; }

  /// Of all lines `wanbench_card_power_watts{...} 312.5`.
  std::optional<double> watts(const std::string& body) const override {
    std::map<std::string, double, std::less<>> of_card;  // two workers may share one
    std::string_view rest = body;
    while (!rest.empty()) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (!line.starts_with("wanbench_card_power_watts{")) continue;
      const std::string_view value = line.substr(line.rfind(' ') + 1);
      double watts = 0;
      const auto [stop, problem] = std::from_chars(value.data(), value.data() + value.size(), watts);
      if (problem == std::errc() && watts >= 0 && watts < kMostWatts) of_card[card_in(line)] = watts;
    }
    double sum = 0;
    for (const auto& [card, watts] : of_card) sum += watts;
    return of_card.empty() || sum > kMostWatts ? std::nullopt : std::optional(sum);
  }

 protected:
  void fill(const Json& json, Told& told) const override {
    told.inference_s = number_in(json, "inference_time_s");
    told.expected_s = number_in(json, "expected_seconds");
    told.energy_j = number_in(json, "energy_j");
    told.price = number_in(json, "price");
    told.currency = text_in(json, "price_currency");
    told.why_no_energy = text_in(json, "energy_reason");
    told.why_no_price = text_in(json, "price_reason");
    if (const std::optional<double> position = number_in(json, "queue_position"))
      told.queue_position = static_cast<int64_t>(std::min(*position, 1e9));
    const Json& stages = member(json, "stages");
    if (!stages.is_array() || text_in(json, "status") != "completed") return;
    for (size_t i = 0; i < std::min(stages.size(), kMostStages); ++i)
      if (const std::optional<double> seconds = number_in(stages[i], "seconds"))
        told.stages.push_back({text_in(stages[i], "name"), *seconds});
  }
};

}  // namespace

std::unique_ptr<Adapter> make_videos_adapter(VideosBody body) { return std::make_unique<VideosAdapter>(body); }

std::unique_ptr<Adapter> make_own_adapter() { return std::make_unique<OwnAdapter>(); }

}  // namespace wan::load
