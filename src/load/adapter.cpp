#include "load/adapter.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "load/comfyui_adapter.h"
#include "load/sdcpp_adapter.h"
#include "load/server_json.h"
#include "load/videos_adapter.h"

namespace wan::load {

void Adapter::require_takes(const Order& order) const {
  require(order.recipe.empty(),
          fmt::format("recipe '{}': recipes are known to the adapter wanbench alone: leave it out, and give steps, "
                      "shift and guidance_scale",
                      order.recipe),
          ErrorKind::kUsage);
}

std::string Adapter::refusal(const HttpAnswer& answer) const {
  std::string why;
  try {
    const nlohmann::json json = object_of(answer.body);
    const nlohmann::json& error = member(json, "error");
    why = text_in(error, "code");
    if (why.empty()) why = text_in(error, "type");
    if (why.empty()) why = text_in(json, "error");
    if (why.empty()) why = text_in(json, "detail");
  } catch (const Error&) {
    why.clear();  // the status alone says it
  }
  return why.empty() ? std::to_string(answer.status) : fmt::format("{} {}", answer.status, why);
}

std::vector<std::string> adapter_names() { return {"wanbench", "videos", "videos-json", "comfyui", "sdcpp"}; }

std::unique_ptr<Adapter> make_adapter(std::string_view name, const AdapterOptions& options) {
  if (name == "wanbench") return make_own_adapter();
  if (name == "videos") return make_videos_adapter(VideosBody::kForm);
  if (name == "videos-json") return make_videos_adapter(VideosBody::kJson);
  if (name == "comfyui") return make_comfyui_adapter(options.workflow);
  if (name == "sdcpp") return make_sdcpp_adapter();
  throw Error(ErrorKind::kUsage, fmt::format("--adapter '{}' is none of {}", name, fmt::join(adapter_names(), ", ")));
}

}  // namespace wan::load
