// Writes the official miniatures in the forms that people pass around, so that what is read back can be held against
// the digests that came with the format fixtures, which other programs computed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "gguf_builder.h"
#include "model/layout.h"
#include "model/weight_file.h"
#include "temporary_folder.h"
#include "tensor/tensor.h"

namespace wan::test {

struct Values {
  Shape shape;
  std::vector<float> values;
};

/// Official names.
using Model = std::map<std::string, Values>;

inline const std::string kSingle = "mini-ti2v-t2v";
inline const std::string kPair = "mini-t2v-moe";

/// Of a miniature in WAN_FIXTURES; `expert` is "high" or "low" of the pair's DiTs.
const Model& official(const std::string& miniature, ModelPart part, const std::string& expert = "high");

struct FileTensor {
  std::string name;
  DType dtype;
  Shape shape;
  std::string bytes;
};

/// By name; writers take them in this order.
using FileTensors = std::vector<FileTensor>;
void write_safetensors(const std::filesystem::path& path, const FileTensors& tensors,
                       const std::map<std::string, std::string>& metadata = {});
/// As F32, F16, BF16, F8_E4M3 or F8_E5M2, rounded to the nearest.
FileTensor stored(const std::string& name, const Values& values, DType dtype);
FileTensor scalar(const std::string& name, float value, const Shape& shape = {});
FileTensor text(const std::string& name, std::string_view text);
/// All of a model, each with `rename`'s name, in the type that `dtype` gives it.
FileTensors stored_all(const Model& model, const std::function<DType(const std::string&, const Values&)>& dtype,
                       const std::function<std::string(const std::string&)>& rename = {});
FileTensors stored_all(const Model& model, DType dtype);
/// By name; fails the test where it is not there.
FileTensor& tensor_in(FileTensors& tensors, const std::string& name);
void remove(FileTensors& tensors, const std::string& name);

/// A matrix that is multiplied: quantised in the fixtures. `is_block_linear`: within a block.
bool is_linear(const std::string& name, const Values& values);
bool is_block_linear(const std::string& name, const Values& values);

/// A weight in 8 bits and the scale that makes it the largest number the type holds. The values are the fixtures'.
struct Quantised {
  FileTensor values;
  FileTensor scale;  // called "NAME_scale" for a row's, where NAME ends in .weight
};
Quantised float8_by_tensor(const std::string& name, const Values& values, DType dtype);
Quantised by_row(const std::string& name, const Values& values, DType dtype);  // E4M3 or I8
/// The model in BF16, with what `quantise` makes of the weights that `which` takes in their place.
FileTensors quantised(const Model& model, const std::function<bool(const std::string&, const Values&)>& which,
                      const std::function<Quantised(const std::string&, const Values&)>& quantise);
/// What says that a file's FP8 weights have scales: of no value, or of some.
FileTensor marker(DType dtype, int64_t elements);

/// Values as GGUF's Q8_0, Q4_1, F16, BF16 or F32 (by ggml's number).
std::string gguf_data(const Values& values, uint32_t type);
/// A model as the fixtures' writer stores it: F32 for vectors, modulations, the convolution and what is small; `other`
/// for matrices outside the blocks; `block` for those within.
std::vector<GgufTensor> gguf_tensors(const Model& model, uint32_t other, uint32_t block);

/// The format fixtures, and in them what other programs computed: `tensors.json`, by file and official name.
inline const std::filesystem::path kFormats = std::filesystem::path(WAN_FIXTURES) / "formats";
const nlohmann::json& digests();
/// Stored name and official name of every tensor of a miniature, as the fixtures' own writers map them.
std::map<std::string, std::string> names(const std::string& miniature, const std::string& table);

std::vector<float> values_of(const WeightFile& file, const StoredWeight& weight);
std::string digest_of(const std::vector<float>& values);
/// Names of the weights whose shape or digest is not the one expected: of a file of the fixtures, or of a model.
std::vector<std::string> differences(const WeightFile& file, const std::string& case_file);
std::vector<std::string> differences(const WeightFile& file, const Model& expected);
inline const std::vector<std::string> kNone;

/// A file that lasts as long as this.
class Written {
 public:
  explicit Written(const FileTensors& tensors, const std::map<std::string, std::string>& metadata = {});
  explicit Written(const GgufSpec& spec);
  const std::filesystem::path& path() const { return path_; }
  WeightFile open() const { return WeightFile::open(path_); }
  /// The message; it names the file.
  std::string refusal() const;

 private:
  TemporaryFolder folder_;
  std::filesystem::path path_;
};

}  // namespace wan::test
