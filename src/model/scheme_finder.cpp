// What may lie beside a weight `LAYER.weight`, by who wrote it:
//   ComfyUI, first form   scale_weight, scale_input; a marker `scaled_fp8` for the file, which is a hint only
//   ComfyUI, second form  comfy_quant (JSON), or the same objects in the header; weight_scale, weight_scale_2,
//   input_scale LightX2V, ModelOpt    weight_scale, input_scale TurboDiffusion        int8_weight in place of weight;
//   scale
#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_parse.h"
#include "io/printable.h"
#include "model/swizzle.h"
#include "model/weight_scheme.h"

namespace wan {
namespace {

constexpr uint64_t kMaxLayerJsonBytes = uint64_t{64} << 10;
constexpr uint64_t kMaxHeaderJsonBytes = uint64_t{4} << 20;
constexpr int64_t kTile = 128;
constexpr std::string_view kWeight = ".weight";
constexpr std::string_view kInt8Weight = ".int8_weight";

int64_t round_up(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

bool is_float8(DType dtype) { return dtype == DType::kF8E4M3 || dtype == DType::kF8E5M2; }

bool is_float(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF64;
}

/// The format that one layer's object names. ComfyUI rotates int8 weights where `convrot` is true.
std::string format_in(const nlohmann::json& object, const std::string& where) {
  const auto format = object.is_object() ? object.find("format") : object.end();
  require(object.is_object() && format != object.end() && format->is_string(), where + ": no text under 'format'");
  const auto rotated = object.find("convrot");
  if (rotated != object.end() && *rotated != false) return "convrot";
  return format->get<std::string>();
}

}  // namespace

/// A weight's layer and what is being told about it.
struct SchemeFinder::Layer {
  std::string name;  // as stored, the prefix included
  const StoredTensor& values;
};

SchemeFinder::SchemeFinder(const TensorFile& file, std::string prefix) : file_(file), prefix_(std::move(prefix)) {
  if (const StoredTensor* marker = file_.find(prefix_ + "scaled_fp8")) read_.insert(marker);
  const auto at = file_.metadata().find("_quantization_metadata");
  if (at == file_.metadata().end()) return;
  const std::string where = file_.path().string() + ": _quantization_metadata in its header";
  require(at->second.size() <= kMaxHeaderJsonBytes, where + " is longer than 4 MiB");
  const nlohmann::json root = parse_json(at->second, where);
  const auto layers = root.is_object() ? root.find("layers") : root.end();
  require(root.is_object() && layers != root.end() && layers->is_object(), where + " has no object 'layers'");
  for (const auto& [layer, object] : layers->items())
    named_formats_.emplace(layer, format_in(object, fmt::format("{}, layer '{}'", where, printable(layer))));
}

void SchemeFinder::fail(const StoredTensor& tensor, const std::string& what) const {
  throw Error(ErrorKind::kInput, fmt::format("{}: {} {}", file_.path().string(), printable(tensor.name), what));
}

const StoredTensor* SchemeFinder::beside(const Layer& layer, std::string_view suffix) {
  const StoredTensor* found = file_.find(layer.name + std::string(suffix));
  if (found != nullptr) read_.insert(found);
  return found;
}

/// Empty where the file names none.
std::string SchemeFinder::format_of(const Layer& layer) {
  if (const StoredTensor* quant = beside(layer, ".comfy_quant")) {
    if (quant->dtype != DType::kU8 || quant->block != BlockType::kNone || !quant->contiguous ||
        quant->bytes() > kMaxLayerJsonBytes)
      fail(*quant, "is not a text of at most 64 KiB");
    const auto bytes = file_.bytes_of(*quant);
    const std::string where = fmt::format("{}: {}", file_.path().string(), printable(quant->name));
    return format_in(parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, where), where);
  }
  const auto at = named_formats_.find(layer.name);
  return at != named_formats_.end() ? at->second : "";
}

StoredWeight SchemeFinder::find(std::string name, const Shape& shape, const StoredTensor& values) {
  StoredWeight weight{std::move(name), shape, WeightScheme::kPlain, &values, nullptr, nullptr};
  const bool is_int8 = values.name.ends_with(kInt8Weight);
  if (!is_int8 && !values.name.ends_with(kWeight)) {
    if (values.block == BlockType::kNone && !is_float(values.dtype) && !is_float8(values.dtype))
      fail(values, fmt::format("is stored as {}, expected floating point", values.type_name()));
    return weight;
  }
  const Layer layer{values.name.substr(0, values.name.size() - (is_int8 ? kInt8Weight : kWeight).size()), values};
  beside(layer, ".scale_input");
  beside(layer, ".input_scale");
  const std::string format = format_of(layer);
  if (!format.empty()) {
    set_named_format(layer, format, weight);
    return weight;
  }
  const StoredTensor* scale = beside(layer, is_int8 ? ".scale" : ".scale_weight");
  if (scale == nullptr) scale = beside(layer, ".weight_scale");
  if (scale != nullptr) {
    ++scaled_;
    set_scale(layer, *scale, weight);
  } else if (values.block == BlockType::kNone && is_float8(values.dtype)) {
    unscaled_.push_back(&values);
  } else if (values.block == BlockType::kNone && !is_float(values.dtype)) {
    fail(values, fmt::format("is stored as {} and has neither a scale nor a comfy_quant that says what it means",
                             values.type_name()));
  }
  return weight;
}

void SchemeFinder::set_named_format(const Layer& layer, const std::string& format, StoredWeight& weight) {
  const DType dtype = layer.values.block == BlockType::kNone ? layer.values.dtype : DType::kBool;
  const auto need = [&](bool right, std::string_view expected) {
    if (!right)
      fail(layer.values, fmt::format("is stored as {}, its format {} needs {}", layer.values.type_name(),
                                     printable(format), expected));
  };
  const bool is_tensorwise = format == "float8_e4m3fn" || format == "float8_e5m2" || format == "int8_tensorwise";
  if (!is_tensorwise && format != "mxfp8" && format != "nvfp4")
    fail(layer.values, fmt::format("is of the quantisation format '{}', which is not read; float8_e4m3fn, float8_e5m2, "
                                   "int8_tensorwise, mxfp8 and nvfp4 are",
                                   printable(format)));
  if (beside(layer, ".pre_quant_scale") != nullptr)
    fail(layer.values, "has a pre_quant_scale, by which its inputs are to be multiplied; that is not read");
  if (is_tensorwise) {
    if (format == "int8_tensorwise")
      need(dtype == DType::kI8, "I8");
    else
      need(is_float8(dtype), "F8_E4M3 or F8_E5M2");
    const StoredTensor* scale = beside(layer, ".weight_scale");
    if (scale == nullptr) scale = beside(layer, ".scale_weight");
    if (scale == nullptr) fail(layer.values, "has a quantisation format but no weight_scale");
    return set_scale(layer, *scale, weight);
  }
  const bool is_mxfp8 = format == "mxfp8";
  need(dtype == (is_mxfp8 ? DType::kF8E4M3 : DType::kU8), is_mxfp8 ? "F8_E4M3" : "U8");
  weight.scheme = is_mxfp8 ? WeightScheme::kMxfp8 : WeightScheme::kNvfp4;
  set_group_scale(layer, weight, is_mxfp8 ? kMxfp8Group : kNvfp4Group);
}

/// One scale, one a row, or one for a tile of a matrix.
void SchemeFinder::set_scale(const Layer& layer, const StoredTensor& scale, StoredWeight& weight) {
  const bool scalable =
      layer.values.block == BlockType::kNone && (is_float8(layer.values.dtype) || layer.values.dtype == DType::kI8);
  if (!scalable)
    fail(layer.values, fmt::format("has a scale, {}, but is stored as {}, expected F8_E4M3, F8_E5M2 or I8",
                                   printable(scale.name), layer.values.type_name()));
  if (scale.block != BlockType::kNone || !is_float(scale.dtype))
    fail(scale, fmt::format("is stored as {}, expected a scale in floating point", scale.type_name()));
  weight.scale = &scale;
  weight.scheme = WeightScheme::kTensorScale;
  if (scale.shape.count() == 1) return;
  const Shape& shape = layer.values.shape;
  if (shape.rank() == 2 && shape.count() > 0) {
    const int64_t rows = shape[0], columns = shape[1];
    weight.scheme = WeightScheme::kRowScale;
    if (scale.shape == Shape{rows} || scale.shape == Shape{rows, 1}) return;
    weight.scheme = WeightScheme::kTileScale;
    if (scale.shape == Shape{round_up(rows, kTile) / kTile, round_up(columns, kTile) / kTile}) return;
  }
  fail(scale, fmt::format("has shape {}, which is neither one scale nor one a row nor one for 128 x 128 values of {}",
                          scale.shape.text(), shape.text()));
}

/// Scales for groups of a row's values, padded and swizzled.
void SchemeFinder::set_group_scale(const Layer& layer, StoredWeight& weight, int64_t group) {
  const StoredTensor& values = layer.values;
  const bool packed = weight.scheme == WeightScheme::kNvfp4;
  weight.scale = beside(layer, ".weight_scale");
  if (weight.scale == nullptr) fail(values, "has a quantisation format but no weight_scale");
  const DType expected = packed ? DType::kF8E4M3 : DType::kF8E8M0;
  if (weight.scale->block != BlockType::kNone || !weight.scale->contiguous || !values.contiguous ||
      (weight.scale->dtype != expected && weight.scale->dtype != DType::kU8))
    fail(*weight.scale,
         fmt::format("is stored as {}, expected {} or U8", weight.scale->type_name(), name_of(expected)));
  if (values.shape.rank() != 2 || values.shape.count() == 0)
    fail(values, fmt::format("has shape {}, expected a matrix", values.shape.text()));
  const int64_t columns = values.shape[1] * (packed ? kNvfp4InByte : 1);
  const Shape padded{round_up(values.shape[0], kSwizzleRows), round_up(columns / group, kSwizzleColumns)};
  if (columns % group != 0 || !(weight.scale->shape == padded))
    fail(*weight.scale, fmt::format("has shape {}, expected {} for groups of {} values", weight.scale->shape.text(),
                                    padded.text(), group));
  if (!packed) return;
  weight.whole_scale = beside(layer, ".weight_scale_2");
  if (weight.whole_scale == nullptr || weight.whole_scale->block != BlockType::kNone ||
      !is_float(weight.whole_scale->dtype) || weight.whole_scale->shape.count() != 1)
    fail(values, "is nvfp4 and has no single weight_scale_2");
}

void SchemeFinder::finish() const {
  if (scaled_ == 0 || unscaled_.empty()) return;
  fail(*unscaled_.front(),
       fmt::format("is stored as {} without a scale, while {} other weights have one: without it its "
                   "values are some hundred times too large. Take a file that is whole",
                   unscaled_.front()->type_name(), scaled_));
}

}  // namespace wan
