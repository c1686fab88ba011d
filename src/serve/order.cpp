#include "serve/order.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "base/hash.h"
#include "base/json_number.h"
#include "base/json_parse.h"
#include "base/utf8.h"
#include "pipeline/recipe_names.h"
#include "serve/api_error.h"
#include "serve/multipart.h"

namespace wan::serve {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kFieldBytes = 64 << 10;  // all fields of text of an order, and what a form adds
constexpr const char* kFirstImage = "input_reference";
constexpr const char* kLastImage = "last_frame";

[[noreturn]] void refuse(const std::string& field, const std::string& message, const std::string& advice = {}) {
  throw ApiError(400, "invalid_value", message, advice, field);
}

/// A value in a message: short, whatever it is.
std::string shown(const Json& value) {
  constexpr size_t kShown = 80;
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kShown) text = text.substr(0, kShown) + "...";
  return text;
}

bool is_picture(std::string_view bytes) {
  constexpr std::string_view kPng("\x89PNG\r\n\x1a\n", 8), kJpeg("\xff\xd8\xff", 3);
  return bytes.starts_with(kPng) || bytes.starts_with(kJpeg);
}

/// The fields of an order, whichever way they came, each read once.
class Fields {
 public:
  void put(const std::string& name, Json value) {
    if (!values_.emplace(name, std::move(value)).second)
      refuse(name, fmt::format("{} is there twice", name), "send it once");
  }
  void put_file(const std::string& name, std::string bytes) {
    if (!files_.emplace(name, std::move(bytes)).second)
      refuse(name, fmt::format("{} is there twice", name), "send it once");
  }

  /// Nothing where it is not given, or null.
  const Json* find(const std::string& name) {
    known_.insert(name);
    const auto found = values_.find(name);
    return found == values_.end() || found->second.is_null() ? nullptr : &found->second;
  }
  std::optional<std::string> text(const std::string& name, size_t most_bytes) {
    const Json* value = find(name);
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) refuse(name, fmt::format("{} must be a text, found {}", name, shown(*value)));
    const auto& found = value->get_ref<const std::string&>();
    if (found.size() > most_bytes)
      refuse(name, fmt::format("{} has {} bytes, at most {} are taken", name, found.size(), most_bytes));
    if (find_invalid_utf8(found) != std::string::npos) refuse(name, fmt::format("{} is not UTF-8", name));
    if (found.find('\0') != std::string::npos) refuse(name, fmt::format("{} holds a NUL", name));
    return found;
  }
  /// A number, or a text of one: the open servers' clients send both.
  template <Number T>
  std::optional<T> number(const std::string& name, const Bounds<T>& bounds) {
    const Json* value = find(name);
    if (value == nullptr) return std::nullopt;
    const std::optional<T> found = value->is_string() ? checked_number<T>(value->get_ref<const std::string&>(), bounds)
                                                      : json_number(*value, bounds);
    if (!found) refuse(name, fmt::format("{} must be {}, found {}", name, describe(bounds), shown(*value)));
    return found;
  }
  /// A file of a form, or a data URL; empty: none.
  std::string picture(const std::string& name, uint64_t most_bytes);

  void refuse_unknown() const {
    for (const auto& [name, value] : values_)
      if (!known_.contains(name))
        throw ApiError(400, "unknown_field", fmt::format("no field is called {}", shown(Json(name))),
                       fmt::format("known are {}", fmt::join(known_, ", ")), name);
    for (const auto& [name, bytes] : files_)
      if (!known_.contains(name))
        throw ApiError(400, "unknown_field", fmt::format("no file is called {}", shown(Json(name))),
                       fmt::format("files may be {} and {}", kFirstImage, kLastImage), name);
  }
  /// As they were given, pictures as their digests.
  std::string given(const std::string& first_image, const std::string& last_image) const {
    Json json = Json::object();
    for (const auto& [name, value] : values_)
      if (name != kFirstImage && name != kLastImage && !value.is_null()) json[name] = value;
    if (!first_image.empty()) json[kFirstImage] = sha256_hex(first_image);
    if (!last_image.empty()) json[kLastImage] = sha256_hex(last_image);
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

 private:
  std::map<std::string, Json> values_;
  std::map<std::string, std::string> files_;
  std::set<std::string> known_;
};

/// "data:image/png;base64,...", alone or as the image_url of an object.
std::string picture_of_url(const std::string& name, const Json& value) {
  const Json* url = &value;
  if (value.is_object() && value.size() == 1 && value.contains("image_url")) url = &value["image_url"];
  constexpr std::string_view kData = "data:", kBase64 = ";base64,";
  const std::string wanted = "a data URL as data:image/png;base64,... ; no other URL and no path is opened";
  if (!url->is_string()) refuse(name, fmt::format("{} must be {}, found {}", name, wanted, shown(value)));
  const std::string_view text = url->get_ref<const std::string&>();
  const size_t comma = text.substr(0, 200).find(kBase64);
  if (!text.starts_with(kData) || comma == std::string_view::npos)
    refuse(name, fmt::format("{} must be {}, found {}", name, wanted, shown(value)),
           "send the file itself in a form (multipart/form-data), or its bytes as a data URL");
  std::optional<std::string> bytes = from_base64(text.substr(comma + kBase64.size()));
  if (!bytes) refuse(name, fmt::format("{} is no base64 behind its comma", name));
  return std::move(*bytes);
}

std::string Fields::picture(const std::string& name, uint64_t most_bytes) {
  const Json* value = find(name);
  std::string bytes;
  if (const auto file = files_.find(name); file != files_.end())
    bytes = file->second;
  else if (value != nullptr)
    bytes = picture_of_url(name, *value);
  else
    return {};
  if (bytes.size() > most_bytes)
    refuse(name, fmt::format("{} has {} bytes, at most {} are taken", name, bytes.size(), most_bytes));
  if (!is_picture(bytes)) refuse(name, fmt::format("{} is neither a PNG nor a JPEG", name));
  return bytes;
}

Fields fields_of(const HttpRequest& request) {
  const std::string_view type = request.head.header("content-type");
  Fields fields;
  try {
    if (type.starts_with("multipart/form-data")) {
      for (const FormPart& part : parse_form(type, request.body)) {
        if (part.file_name.empty() && part.name != kFirstImage && part.name != kLastImage)
          fields.put(part.name, std::string(part.body));
        else if (part.file_name.empty() && part.body.starts_with("data:"))
          fields.put(part.name, std::string(part.body));
        else
          fields.put_file(part.name, std::string(part.body));
      }
      return fields;
    }
    if (!type.starts_with("application/json"))
      throw ApiError(415, "unsupported_content_type",
                     fmt::format("Content-Type must be application/json or multipart/form-data, found {}",
                                 type.empty() ? "none" : shown(Json(std::string(type)))));
    const Json json = parse_json(request.body, "the body");
    if (!json.is_object()) refuse("", fmt::format("the body must be an object, found {}", shown(json)));
    for (const auto& [name, value] : json.items()) fields.put(name, value);
  } catch (const Error& problem) {
    throw ApiError(400, "invalid_body", problem.what());
  }
  return fields;
}

void read_size(Fields& fields, const OrderLimits& limits, Request& request) {
  const Bounds<int64_t> side{1, limits.side_pixels};
  const auto width = fields.number("width", side), height = fields.number("height", side);
  const auto size = fields.text("size", 32);
  if (size) {
    if (width || height) refuse("size", "the size is given twice: as size and as width or height", "leave one out");
    const size_t x = size->find('x');
    const auto wide = checked_number<int64_t>(std::string_view(*size).substr(0, x), side);
    const auto high =
        x == std::string::npos ? std::nullopt : checked_number<int64_t>(std::string_view(*size).substr(x + 1), side);
    if (!wide || !high)
      refuse("size", fmt::format("size must be WIDTHxHEIGHT as 1280x704, each at most {}, found {}", side.most,
                                 shown(Json(*size))));
    request.width = *wide;
    request.height = *high;
    return;
  }
  if (width.has_value() != height.has_value()) refuse("width", "width and height go together", "give both, or size");
  if (width) request.width = *width, request.height = *height;
}

void read_length(Fields& fields, const OrderLimits& limits, const ServedModel& model, Request& request) {
  const auto frames = fields.number("num_frames", Bounds<int64_t>{1, limits.frames});
  const auto seconds = fields.number("seconds", Bounds<double>{0, static_cast<double>(limits.frames) / model.fps});
  const auto fps = fields.number("fps", Bounds<double>{0, 1000});
  if (fps && *fps != model.fps)
    refuse("fps", fmt::format("{} makes {} frames a second, found {}", model.name, model.fps, *fps), "leave fps out");
  if (frames && seconds) refuse("seconds", "the length is given twice: as seconds and as num_frames", "leave one out");
  if (frames) request.num_frames = *frames;
  if (seconds) {
    const double strides = std::round(*seconds * model.fps / static_cast<double>(model.frame_stride));
    request.num_frames = 1 + model.frame_stride * static_cast<int64_t>(strides);
  }
}

void read_sampling(Fields& fields, const OrderLimits& limits, Request& request) {
  if (const auto steps = fields.number("num_inference_steps", Bounds<int>{1, limits.steps})) request.steps = *steps;
  const Bounds<double> scale{-100, 100};
  if (const auto guidance = fields.number("guidance_scale", scale)) request.guidance_scale = guidance;
  if (const auto guidance = fields.number("guidance_scale_2", scale)) request.guidance_scale_2 = guidance;
  if (request.guidance_scale || request.guidance_scale_2) request.guidance_low = request.guidance_high = std::nullopt;
  if (const auto shift = fields.number("flow_shift", Bounds<double>{0.01, 1000})) request.shift = shift;
  if (const auto boundary = fields.number("boundary_ratio", Bounds<double>{0, 1})) {
    request.boundary = boundary;
    request.split_step.reset();
  }
  if (const auto recipe = fields.text("recipe", 64)) {
    const std::vector<std::string> names = recipe_names();
    if (std::ranges::find(names, *recipe) == names.end())
      refuse("recipe", fmt::format("no recipe is called {}", shown(Json(*recipe))),
             fmt::format("known are {}", fmt::join(names, ", ")));
    request.recipe = *recipe;
  }
  const auto seed = fields.number("seed", Bounds<uint64_t>{});
  request.seed = seed ? *seed : std::random_device()();  // 32 bits: exact wherever a number is read
}

}  // namespace

uint64_t order_bytes(const OrderLimits& limits) {
  return 2 * (limits.image_bytes / 3 * 4 + 4) + 2 * limits.prompt_bytes + kFieldBytes;
}

Order read_order(const HttpRequest& request, const ServedModel& model, const OrderLimits& limits) {
  Fields fields = fields_of(request);
  Order order;
  order.request = model.base;
  if (const auto name = fields.text("model", 256); name && *name != model.name)
    throw ApiError(404, "model_not_found", fmt::format("no model is called {}", shown(Json(*name))),
                   fmt::format("this server has {}: GET /v1/models", model.name), "model");
  const auto prompt = fields.text("prompt", limits.prompt_bytes);
  if (!prompt || prompt->empty()) refuse("prompt", "prompt is missing", "say what the video shows");
  order.request.prompt = *prompt;
  if (const auto negative = fields.text("negative_prompt", limits.prompt_bytes))
    order.request.negative_prompt = *negative;
  read_size(fields, limits, order.request);
  read_length(fields, limits, model, order.request);
  read_sampling(fields, limits, order.request);
  order.first_image = fields.picture(kFirstImage, limits.image_bytes);
  order.last_image = fields.picture(kLastImage, limits.image_bytes);
  fields.refuse_unknown();
  if (!order.first_image.empty() && model.image == TakesImage::kNever)
    refuse(kFirstImage, fmt::format("{} makes video from text alone", model.name), "leave the picture out");
  if (order.first_image.empty() && model.image == TakesImage::kMust)
    refuse(kFirstImage, fmt::format("{} needs a first frame", model.name), "send a PNG or JPEG");
  if (!order.last_image.empty() && (!model.takes_last_image || order.first_image.empty()))
    refuse(kLastImage,
           model.takes_last_image ? "a last frame goes with a first one" : model.name + " takes no last frame");
  order.given = fields.given(order.first_image, order.last_image);
  return order;
}

}  // namespace wan::serve
