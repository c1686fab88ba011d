#include "load/comfyui_adapter.h"

#include <map>
#include <random>

#include <fmt/format.h>

#include "base/error.h"
#include "base/json_number.h"
#include "base/json_parse.h"
#include "load/server_json.h"

namespace wan::load {
namespace {

using Json = nlohmann::json;

constexpr double kMillisecond = 1e-3, kMostMilliseconds = 1e12;
constexpr Bounds<double> kTimestamps{0, 1e15};  // milliseconds since 1970

/// By which the server tells its clients apart.
std::string new_client_id() {
  std::random_device draw;
  return fmt::format("wanbench-{:08x}{:08x}", draw(), draw());
}

std::map<std::string, Json> values_of(const Order& order) {
  std::map<std::string, Json> values = {
      {"{prompt}", order.prompt}, {"{negative_prompt}", order.negative_prompt}, {"{seed}", order.seed}};
  if (order.steps > 0) values["{steps}"] = order.steps;
  if (order.width > 0) values["{width}"] = order.width;
  if (order.height > 0) values["{height}"] = order.height;
  if (order.num_frames > 0) values["{num_frames}"] = order.num_frames;
  return values;
}

/// A text that is a placeholder becomes its value, number or text; within a longer one the prompts are put in.
void fill(Json& json, const std::map<std::string, Json>& values) {
  if (json.is_string()) {
    const auto found = values.find(json.get_ref<const std::string&>());
    if (found != values.end()) {
      json = found->second;
      return;
    }
    std::string text = json.get<std::string>();
    for (const char* name : {"{prompt}", "{negative_prompt}"}) {
      const std::string value = values.at(name).get<std::string>(), key = name;
      for (size_t at = text.find(key); at != std::string::npos; at = text.find(key, at + value.size()))
        text.replace(at, key.size(), value);
    }
    json = text;
    return;
  }
  if (json.is_structured())
    for (Json& inner : json) fill(inner, values);
}

/// When a message of that type was said, in milliseconds of the server's clock.
std::optional<double> time_of(const Json& messages, std::string_view type) {
  if (!messages.is_array()) return std::nullopt;
  for (const Json& message : messages)
    if (message.is_array() && message.size() == 2 && message[0].is_string() &&
        message[0].get_ref<const std::string&>() == type)
      return json_number(member(message[1], "timestamp"), kTimestamps);
  return std::nullopt;
}

std::string exception_in(const Json& messages) {
  if (messages.is_array())
    for (const Json& message : messages)
      if (message.is_array() && message.size() == 2 && message[0] == "execution_error")
        return text_in(message[1], "exception_type");
  return "";
}

bool has_type(const Json& messages, std::string_view type) {
  if (!messages.is_array()) return false;
  for (const Json& message : messages)
    if (message.is_array() && !message.empty() && message[0] == type) return true;
  return false;
}

class ComfyuiAdapter final : public Adapter {
 public:
  explicit ComfyuiAdapter(Json workflow) : workflow_(std::move(workflow)), client_id_(new_client_id()) {}

  void require_takes(const Order& order) const override {
    Adapter::require_takes(order);
    const std::string text = workflow_.dump();
    const auto require_place = [&](bool is_asked, const char* name) {
      require(!is_asked || text.find(name) != std::string::npos,
              fmt::format("--workflow: {} is asked for, and {} stands nowhere in it: put it where that value goes, or "
                          "leave the option out",
                          std::string_view(name + 1, std::string_view(name).size() - 2), name),
              ErrorKind::kUsage);
    };
    require_place(true, "{prompt}");
    require_place(!order.negative_prompt.empty(), "{negative_prompt}");
    require_place(order.steps > 0, "{steps}");
    require_place(order.width > 0, "{width}");
    require_place(order.height > 0, "{height}");
    require_place(order.num_frames > 0, "{num_frames}");
    require(!order.guidance_scale && !order.guidance_scale_2 && !order.shift,
            "guidance_scale and shift are the workflow's own with the adapter comfyui: leave them out",
            ErrorKind::kUsage);
  }
  std::string tried() const override { return "never run against the real server"; }
  HttpAsk about() const override { return {"GET", "/system_stats", "", ""}; }

  ServerFacts facts(const std::string& body) const override {
    const Json json = object_of(body);
    const Json& devices = member(json, "devices");
    const std::string version = text_in(member(json, "system"), "comfyui_version");
    return {"a workflow", (version.empty() ? "ComfyUI" : "ComfyUI " + version) +
                              (devices.is_array() && !devices.empty() ? ", " + text_in(devices.front(), "name") : "")};
  }

  HttpAsk order(const Order& order) const override {
    Json workflow = workflow_;
    fill(workflow, values_of(order));
    return {"POST", "/prompt", "application/json", Json{{"prompt", workflow}, {"client_id", client_id_}}.dump()};
  }

  JobHandle taken_in(const std::string& body) const override {
    const std::string id = id_in(object_of(body), "prompt_id");
    return {id, "/history/" + id};
  }

  /// History has what is over.
  JobView view(const JobHandle& job, const std::string& body) const override {
    const Json json = object_of(body);
    JobView view;
    view.told.why_no_energy = "this kind of server tells no energy";
    view.told.why_no_price = "this kind of server tells no price";
    const Json& found = member(json, job.id);
    if (!found.is_object()) return view;
    const Json& status = member(found, "status");
    const Json& messages = member(status, "messages");
    const bool is_error = text_in(status, "status_str") == "error";
    view.state = !is_error                                     ? JobView::State::kCompleted
                 : has_type(messages, "execution_interrupted") ? JobView::State::kCancelled
                                                               : JobView::State::kFailed;
    view.detail = is_error ? exception_in(messages) : "";
    const auto begin = time_of(messages, "execution_start"), end = time_of(messages, "execution_success");
    if (begin && end && *end >= *begin && *end - *begin < kMostMilliseconds)
      view.told.inference_s = (*end - *begin) * kMillisecond;
    return view;
  }

  std::vector<HttpAsk> cancel(const JobHandle& job) const override {
    return {{"POST", "/queue", "application/json", Json{{"delete", {job.id}}}.dump()},
            {"POST", "/interrupt", "application/json", Json{{"prompt_id", job.id}}.dump()}};
  }

  std::optional<std::string> socket() const override { return "/ws?clientId=" + client_id_; }

  std::optional<Message> message(const std::string& text) const override {
    try {
      const Json json = object_of(text);
      const std::string type = text_in(json, "type"), id = text_in(member(json, "data"), "prompt_id");
      if (id.empty()) return std::nullopt;
      if (type == "execution_start") return Message{id, JobView::State::kRunning};
      const bool is_over = type == "execution_success" || type == "execution_error" ||
                           type == "execution_interrupted" ||
                           (type == "executing" && member(member(json, "data"), "node").is_null());
      if (is_over) return Message{id, JobView::State::kCompleted};
    } catch (const Error&) {
      return std::nullopt;  // of something that is not asked about
    }
    return std::nullopt;
  }

 private:
  Json workflow_;
  std::string client_id_;
};

}  // namespace

std::unique_ptr<Adapter> make_comfyui_adapter(const std::string& workflow) {
  require(!workflow.empty(), "the adapter comfyui needs --workflow FILE, a workflow in API format", ErrorKind::kUsage);
  Json json = parse_json(workflow, "--workflow");
  require(json.is_object() && !json.empty() && !json.contains("nodes"),
          "--workflow: is no workflow in API format: save it in ComfyUI by Workflow, Export (API)");
  for (const auto& [name, node] : json.items())
    require(node.is_object() && member(node, "class_type").is_string(),
            fmt::format("--workflow: node '{}' has no class_type: save it in ComfyUI by Workflow, Export (API)", name));
  require(workflow.find("\"{seed}\"") != std::string::npos,
          "--workflow: \"{seed}\" stands nowhere in it: put it where the sampler has its seed, or ComfyUI computes the "
          "first video alone and answers the others from its cache");
  return std::make_unique<ComfyuiAdapter>(std::move(json));
}

}  // namespace wan::load
