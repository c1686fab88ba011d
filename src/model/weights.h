// How a layer's weights lie in one contiguous block of memory (a slab), and where they come from. One slab per layer is
// what makes residency simple: a layer moves with one copy.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/packed.h"
#include "tensor/tensor.h"

namespace wan {

class Backend;
enum class Queue;
class WeightFile;
class WeightPatches;
enum class StoredAs : uint8_t;
struct PatchTerm;

/// How to make a weight when no checkpoint is given: what the official initialiser does.
struct Initializer {
  float mean = 0;
  float deviation = 0;
};

/// One stored tensor's place inside a slot.
struct WeightPart {
  std::string source;      // official name in the checkpoint
  Shape shape;             // as stored
  int64_t element_offset;  // from the slot's first element
  Initializer init;
};

/// One operand of an operation; several stored tensors may be stacked in it (q, k and v as one matrix).
struct WeightSlot {
  std::string name;
  DType dtype;
  Shape shape;
  size_t offset;  // bytes from the slab's beginning
  std::vector<WeightPart> parts;
};

/// The layout of a slab.
class WeightLayout {
 public:
  struct Source {
    std::string name;
    Shape shape;
    Initializer init;
  };
  /// Adds a slot [rows of all sources stacked]; the first source's trailing extents hold for all.
  void add(std::string name, DType dtype, const Shape& shape, std::vector<Source> sources);
  /// Adds a slot of one stored tensor, under another shape of the same count where `shape` differs.
  void add(std::string name, DType dtype, const Shape& shape, std::string source, Initializer init);

  const std::vector<WeightSlot>& slots() const { return slots_; }
  size_t bytes() const { return bytes_; }
  /// The named operand inside `slab` (U8 [bytes]).
  TensorView view(TensorView slab, std::string_view name) const;

 private:
  std::vector<WeightSlot> slots_;
  size_t bytes_ = 0;
};

/// How the rows of a part can be kept and moved until they are expanded to the type that computes.
struct PackedPart {
  PackedForm form;
  float factor = 1;  // PackedMatrix::factor
  /// What is added when they are expanded: products only.
  std::span<const PatchTerm> terms;
  /// The values as `read` gives them, with all LoRAs: `form` is the type they are asked for in. Of parts that are no
  /// matrices, and of those that would not get smaller.
  bool is_read = true;
};

/// Where a component's stored tensors come from: a file, or a seeded initialiser.
class WeightSource {
 public:
  /// Weights of `file` in whatever form it has them, by their official names. The file must outlive the source.
  static WeightSource from_file(const WeightFile& file);
  /// Seeded random values, rounded to what a file of `stored` (F32 or BF16) would hold; the same for the same (seed,
  /// name) everywhere.
  static WeightSource random(uint64_t seed, DType stored = DType::kF32);
  /// Of random weights of F32: those whose matrices are stored so (random_codes.h); all others stay.
  WeightSource as(StoredAs stored) const;
  /// Leaves what is asked for unset: for planning, where only shapes count.
  static WeightSource shapes_only();
  /// The same with LoRAs, which `read` adds in F32 before it rounds. `patches` must outlive the source.
  WeightSource with(const WeightPatches& patches) const;

  /// Fills elements [begin, end) of `part` (row-major) into `out`, as F32 or rounded once to BF16. Thread-safe. Throws
  /// Error(kInput) for a weight that the file has not, or whose values are no finite numbers.
  void read(const WeightPart& part, int64_t begin, int64_t end, DType dtype, void* out) const;

  // For those that add the LoRAs elsewhere.
  bool is_patched() const;
  /// What is added to a weight; nothing where nothing is.
  std::span<const PatchTerm> terms(const WeightPart& part) const;
  /// As `read`, without LoRAs.
  void read_base(const WeightPart& part, int64_t begin, int64_t end, DType dtype, void* out) const;
  /// How the part is best kept for `dtype`, F32 or BF16: as it is stored, where that takes less or where LoRAs are to
  /// be added before anything is rounded.
  PackedPart packed(const WeightPart& part, DType dtype) const;
  /// Writes the bytes of rows [begin, end) of a part that `packed` said is not `is_read`, or their scales, as in
  /// PackedForm, for a first row of begin % kPackedTile. Thread-safe. Throws as `read` does.
  void read_packed(const WeightPart& part, const PackedForm& form, int64_t begin, int64_t end, std::byte* out) const;
  void read_scales(const WeightPart& part, const PackedForm& form, int64_t begin, int64_t end, std::byte* out) const;

  /// Whether `make_on_device` gives the bits of `read_base` in that type.
  bool can_make_on_device(DType dtype) const;
  /// Whether it does so for a layout, less one value in a hundred: norms and biases that are kept in F32.
  bool can_make_on_device(const WeightLayout& layout) const;
  /// Whether it does so for a part.
  bool can_make_on_device(const WeightPart& part, DType dtype) const;
  /// Random values of a part, from its value `first` on, straight into `out`, device memory.
  void make_on_device(Backend& backend, const WeightPart& part, int64_t first, TensorView out, Queue queue) const;

 private:
  uint64_t key_of(const WeightPart& part) const;
  std::optional<PackedForm> stored_form(const WeightPart& part) const;
  bool is_coded(const WeightPart& part) const;
  void read_seeded(const WeightPart& part, int64_t begin, int64_t end, DType dtype, void* out) const;
  void read_coded(const WeightPart& part, int64_t begin, int64_t end, DType dtype, void* out) const;
  void refuse(const WeightPart& part, int64_t begin, int64_t end) const;

  enum class Kind { kFile, kRandom, kShapesOnly };
  Kind kind_ = Kind::kShapesOnly;
  const WeightFile* file_ = nullptr;
  const WeightPatches* patches_ = nullptr;
  uint64_t seed_ = 0;
  DType stored_ = DType::kF32;
  StoredAs stored_as_{};  // of random matrices; the first: as `stored_`
};

/// The parts of a model whose random weights have a seed of their own.
enum class Component { kDit, kLowNoiseDit, kTextEncoder, kVae, kAudioEncoder, kImageEncoder };

/// Of a model's expert by its place: kDit the first or only one.
Component dit_component(size_t expert);

inline constexpr uint64_t kRandomWeightsSeed = 20220722;

/// The weights of a model without a checkpoint, in the precision of the official files (the text encoder in BF16, the
/// rest in F32): the engine's `--weights random` and a written checkpoint hold the same.
WeightSource random_weights(Component component, uint64_t seed = kRandomWeightsSeed);

/// Converts `count` elements of a float dtype to F32 or BF16. The CPU reference for every conversion of weights.
void convert_elements(const void* from, DType from_dtype, int64_t count, DType to_dtype, void* to);

}  // namespace wan
