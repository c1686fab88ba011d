#include "weight_files.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <span>

#include <gtest/gtest.h>

#include "base/hash.h"
#include "builders.h"
#include "io/tensor_file.h"
#include "model/weights.h"

namespace wan::test {
namespace {

namespace fs = std::filesystem;

void add(Model& model, const TensorFile& file) {
  for (const StoredTensor& tensor : file.tensors()) {
    Values& values = model[tensor.name];
    values.shape = tensor.shape;
    values.values.resize(static_cast<size_t>(tensor.shape.count()));
    convert_elements(file.view(tensor).data, tensor.dtype, tensor.shape.count(), DType::kF32, values.values.data());
  }
}

Model load(const std::string& miniature, ModelPart part, const std::string& expert) {
  fs::path folder = fs::path(WAN_FIXTURES) / miniature;
  Model model;
  if (part == ModelPart::kTextEncoder) {
    add(model, TensorFile::open(folder / "models_t5_umt5-xxl-enc-bf16.pth"));
  } else if (part == ModelPart::kVae) {
    add(model, TensorFile::open(folder / (miniature == kSingle ? "Wan2.2_VAE.pth" : "Wan2.1_VAE.pth")));
  } else {
    if (miniature == kPair) folder /= expert + "_noise_model";
    for (const auto& entry : fs::directory_iterator(folder))
      if (entry.path().filename().string().starts_with("diffusion") && entry.path().extension() == ".safetensors")
        add(model, TensorFile::open(entry.path()));
  }
  return model;
}

/// Round to nearest even, subnormals included.
uint16_t to_half(float value) {
  const auto sign = static_cast<uint16_t>(std::signbit(value) ? 0x8000 : 0);
  const float magnitude = std::abs(value);
  if (magnitude == 0) return sign;
  if (magnitude >= 65520.0f) return sign | 0x7c00;
  int exponent = 0;
  std::frexp(magnitude, &exponent);                                  // magnitude in [2^(exponent - 1), 2^exponent)
  const int unit = std::max(exponent, -13) - 11;                     // of the last place
  const float steps = std::nearbyint(std::ldexp(magnitude, -unit));  // a carry goes into the exponent as it should
  const int biased = std::max(exponent, -13) + 13;
  return static_cast<uint16_t>(sign + (biased << 10) + static_cast<int>(steps));
}

/// The byte of a float8 nearest to `value`, the even one of two; what is beyond the largest is not asked for.
uint8_t to_float8(float value, DType dtype) {
  const auto& values = values_of_bytes(dtype);
  const int largest = dtype == DType::kF8E4M3 ? 0x7e : 0x7b;
  const float magnitude = std::abs(value);
  const auto above = std::lower_bound(values.begin(), values.begin() + largest + 1, magnitude);
  auto byte = static_cast<int>(above - values.begin());
  if (byte > largest) byte = largest;
  if (byte > 0) {
    const float up = values[static_cast<size_t>(byte)] - magnitude,
                down = magnitude - values[static_cast<size_t>(byte - 1)];
    if (down < up || (down == up && byte % 2 == 1)) --byte;
  }
  return static_cast<uint8_t>(byte | (std::signbit(value) ? 0x80 : 0));
}

template <typename T, typename Convert>
std::string converted(const std::vector<float>& values, Convert convert) {
  std::vector<T> out;
  for (float value : values) out.push_back(convert(value));
  return raw(out);
}

float largest_magnitude(const float* values, int64_t count) {
  float largest = 0;
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(values[i]));
  return largest;
}

std::string q8_0(const std::vector<float>& values) {
  std::string out;
  for (size_t first = 0; first < values.size(); first += 32) {
    const float d = largest_magnitude(&values[first], 32) / 127;
    const float inverse = d == 0 ? 0 : 1 / d;
    out += little(to_half(d), 2);
    for (size_t i = first; i < first + 32; ++i)
      out += static_cast<char>(static_cast<int8_t>(std::round(values[i] * inverse)));
  }
  return out;
}

/// Blocks of 32: what a step is worth, the smallest value, and two numbers of steps a byte, the second half's above.
std::string q4_1(const std::vector<float>& values) {
  std::string out;
  for (size_t first = 0; first < values.size(); first += 32) {
    const auto block = std::span(values).subspan(first, 32);
    const float smallest = *std::min_element(block.begin(), block.end());
    const float d = (*std::max_element(block.begin(), block.end()) - smallest) / 15;
    const float inverse = d == 0 ? 0 : 1 / d;
    const auto steps = [&](size_t i) {
      return std::min(15u, static_cast<unsigned>((block[i] - smallest) * inverse + 0.5f));
    };
    out += little(to_half(d), 2) + little(to_half(smallest), 2);
    for (size_t i = 0; i < 16; ++i) out += static_cast<char>(steps(i) | steps(i + 16) << 4);
  }
  return out;
}

}  // namespace

const Model& official(const std::string& miniature, ModelPart part, const std::string& expert) {
  static std::map<std::tuple<std::string, ModelPart, std::string>, Model> loaded;
  Model& model = loaded[{miniature, part, expert}];
  if (model.empty()) model = load(miniature, part, expert);
  return model;
}

void write_safetensors(const fs::path& path, const FileTensors& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<SafetensorsWriter::Declared> declared;
  for (const FileTensor& tensor : tensors) declared.push_back({tensor.name, tensor.dtype, tensor.shape});
  SafetensorsWriter writer(path, declared, metadata);
  for (const FileTensor& tensor : tensors) writer.write(std::as_bytes(std::span(tensor.bytes)));
  writer.finish(Sync::kCached);
}

FileTensor stored(const std::string& name, const Values& values, DType dtype) {
  FileTensor tensor{name, dtype, values.shape, {}};
  switch (dtype) {
    case DType::kF32: tensor.bytes = raw(values.values); break;
    case DType::kF16: tensor.bytes = converted<uint16_t>(values.values, to_half); break;
    case DType::kBF16: tensor.bytes = converted<BF16>(values.values, to_bf16); break;
    default: tensor.bytes = converted<uint8_t>(values.values, [&](float value) { return to_float8(value, dtype); });
  }
  return tensor;
}

FileTensor scalar(const std::string& name, float value, const Shape& shape) {
  return {name, DType::kF32, shape, raw<float>({value})};
}

FileTensor text(const std::string& name, std::string_view text) {
  return {name, DType::kU8, {static_cast<int64_t>(text.size())}, std::string(text)};
}

FileTensors stored_all(const Model& model, const std::function<DType(const std::string&, const Values&)>& dtype,
                       const std::function<std::string(const std::string&)>& rename) {
  FileTensors tensors;
  for (const auto& [name, values] : model)
    tensors.push_back(stored(rename ? rename(name) : name, values, dtype(name, values)));
  return tensors;
}

FileTensors stored_all(const Model& model, DType dtype) {
  return stored_all(model, [&](const std::string&, const Values&) { return dtype; });
}

FileTensor& tensor_in(FileTensors& tensors, const std::string& name) {
  const auto at =
      std::find_if(tensors.begin(), tensors.end(), [&](const FileTensor& each) { return each.name == name; });
  if (at == tensors.end()) throw std::out_of_range(name);
  return *at;
}

void remove(FileTensors& tensors, const std::string& name) {
  std::erase_if(tensors, [&](const FileTensor& each) { return each.name == name; });
}

bool is_linear(const std::string& name, const Values& values) {
  return name.ends_with(".weight") && values.shape.rank() == 2 && name.find("embedding.embedding") == name.npos &&
         name != "token_embedding.weight";
}

bool is_block_linear(const std::string& name, const Values& values) {
  return is_linear(name, values) && name.starts_with("blocks.");
}

Quantised float8_by_tensor(const std::string& name, const Values& values, DType dtype) {
  const float largest = dtype == DType::kF8E4M3 ? 448 : 57344;
  const float scale = largest_magnitude(values.values.data(), values.shape.count()) / largest;
  Values divided = values;
  for (float& value : divided.values) value = std::clamp(value / scale, -largest, largest);
  return {stored(name, divided, dtype), scalar(name.substr(0, name.size() - 7) + ".scale_weight", scale)};
}

Quantised by_row(const std::string& name, const Values& values, DType dtype) {
  const float largest = dtype == DType::kI8 ? 127 : 448;
  const int64_t rows = values.shape[0], columns = values.shape[1];
  std::vector<float> scales;
  Values divided = values;
  for (int64_t row = 0; row < rows; ++row) {
    float* const first = divided.values.data() + row * columns;
    scales.push_back(std::max(largest_magnitude(first, columns), 1e-5f) / largest);
    for (int64_t i = 0; i < columns; ++i) first[i] = std::clamp(first[i] / scales.back(), -largest, largest);
  }
  const FileTensor scale{name + "_scale", DType::kF32, {rows, 1}, raw(scales)};
  if (dtype != DType::kI8) return {stored(name, divided, dtype), scale};
  const auto to_int8 = [](float value) { return static_cast<int8_t>(std::nearbyint(value)); };
  return {{name, dtype, values.shape, converted<int8_t>(divided.values, to_int8)}, scale};
}

FileTensors quantised(const Model& model, const std::function<bool(const std::string&, const Values&)>& which,
                      const std::function<Quantised(const std::string&, const Values&)>& quantise) {
  FileTensors tensors;
  for (const auto& [name, values] : model) {
    if (!which(name, values)) {
      tensors.push_back(stored(name, values, DType::kBF16));
      continue;
    }
    Quantised pair = quantise(name, values);
    tensors.push_back(std::move(pair.values));
    tensors.push_back(std::move(pair.scale));
  }
  return tensors;
}

FileTensor marker(DType dtype, int64_t elements) {
  return {"scaled_fp8", dtype, {elements}, std::string(static_cast<size_t>(elements), '\0')};
}

std::string gguf_data(const Values& values, uint32_t type) {
  if (type == kGgufQ8_0) return q8_0(values.values);
  if (type == kGgufQ4_1) return q4_1(values.values);
  return stored("", values, type == kGgufF32 ? DType::kF32 : type == kGgufF16 ? DType::kF16 : DType::kBF16).bytes;
}

std::vector<GgufTensor> gguf_tensors(const Model& model, uint32_t other, uint32_t block) {
  std::vector<GgufTensor> tensors;
  for (const auto& [name, values] : model) {
    const auto extents = values.shape.extents();
    const bool small = values.shape.rank() == 1 || values.shape.count() <= 1024 || values.shape.rank() == 5 ||
                       name.ends_with("modulation");
    const uint32_t type = small ? kGgufF32 : is_block_linear(name, values) ? block : other;
    tensors.push_back({name, {extents.begin(), extents.end()}, type, gguf_data(values, type)});
  }
  return tensors;
}

const nlohmann::json& digests() {
  static const nlohmann::json root = nlohmann::json::parse(std::ifstream(kFormats / "tensors.json"));
  return root.at("tensors");
}

std::map<std::string, std::string> names(const std::string& miniature, const std::string& table) {
  return nlohmann::json::parse(std::ifstream(kFormats / "names.json")).at(miniature).at(table);
}

std::vector<float> values_of(const WeightFile& file, const StoredWeight& weight) {
  std::vector<float> values(static_cast<size_t>(weight.shape.count()));
  file.read(weight, 0, weight.shape.count(), DType::kF32, values.data());
  return values;
}

std::string digest_of(const std::vector<float>& values) {
  return sha256_hex({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
}

std::vector<std::string> differences(const WeightFile& file, const std::string& case_file) {
  const nlohmann::json& expected = digests().at(case_file);
  std::vector<std::string> found;
  if (file.weights().size() != expected.size()) found.push_back("the number of weights");
  for (const StoredWeight& weight : file.weights()) {
    const nlohmann::json& row = expected.at(weight.name);
    const auto extents = weight.shape.extents();
    if (row.at("shape") != nlohmann::json(std::vector<int64_t>(extents.begin(), extents.end())) ||
        row.at("sha256_f32") != digest_of(values_of(file, weight)))
      found.push_back(weight.name);
  }
  return found;
}

std::vector<std::string> differences(const WeightFile& file, const Model& expected) {
  std::vector<std::string> found;
  if (file.weights().size() != expected.size()) found.push_back("the number of weights");
  for (const StoredWeight& weight : file.weights()) {
    const Values& row = expected.at(weight.name);
    if (!(row.shape == weight.shape) || digest_of(row.values) != digest_of(values_of(file, weight)))
      found.push_back(weight.name);
  }
  return found;
}

Written::Written(const FileTensors& tensors, const std::map<std::string, std::string>& metadata)
    : path_(folder_ / "weights.safetensors") {
  write_safetensors(path_, tensors, metadata);
}

Written::Written(const GgufSpec& spec) : path_(folder_ / "weights.gguf") { write_file(path_, gguf(spec)); }

std::string Written::refusal() const {
  const std::string message = test::refusal([&] { open(); });
  EXPECT_NE(message.find(path_.string()), std::string::npos) << "does not name the file: " << message;
  return message;
}

}  // namespace wan::test
