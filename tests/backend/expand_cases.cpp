// Expanding packed matrices, on every backend: without terms to the bits of the host's decoder.
#include <array>
#include <cstring>
#include <random>

#include "bench.h"
#include "reference.h"
#include "subject.h"
#include "tensor/packed.h"

namespace wan {
namespace {

constexpr std::array kBlocks{BlockType::kQ4_0, BlockType::kQ4_1, BlockType::kQ5_0,  BlockType::kQ5_1,
                             BlockType::kQ8_0, BlockType::kQ2K,  BlockType::kQ3K,   BlockType::kQ4K,
                             BlockType::kQ5K,  BlockType::kQ6K,  BlockType::kIQ4NL, BlockType::kIQ4XS};

std::vector<PackedForm> all_forms() {
  std::vector<PackedForm> forms;
  for (const BlockType block : kBlocks) forms.push_back({DType::kF32, block, PackedScale::kNone});
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16})
    forms.push_back({dtype, BlockType::kNone, PackedScale::kNone});
  for (const DType dtype : {DType::kF8E4M3, DType::kF8E5M2, DType::kI8})
    for (const PackedScale scale : {PackedScale::kNone, PackedScale::kMatrix, PackedScale::kRow, PackedScale::kTile})
      forms.push_back({dtype, BlockType::kNone, scale});
  forms.push_back({DType::kF8E4M3, BlockType::kNone, PackedScale::kGroup});
  forms.push_back({DType::kU8, BlockType::kNone, PackedScale::kGroup});
  return forms;
}

using Bytes = std::vector<std::byte>;

void put_half(Bytes& bytes, size_t at, uint16_t bits) { std::memcpy(bytes.data() + at, &bits, sizeof bits); }

/// A matrix of any bits that are finite numbers, those of its scales small.
class Sample {
 public:
  Sample(Backend& backend, const PackedForm& form, int64_t rows, int64_t columns, int64_t tile_row = 0)
      : random_(static_cast<uint64_t>(rows * 7919 + columns)) {
    host_.form = form;
    host_.rows = rows;
    host_.columns = columns;
    host_.factor = 0.03125f * 1.3f;
    host_.tile_row = tile_row;
    values_ = random_bytes(static_cast<size_t>(rows) * form.row_bytes(columns));
    make_finite();
    scales_ = scales();
    host_.values = view_of(values_);
    host_.scales = view_of(scales_);
    device_ = host_;
    device_values_ = on_device(backend, values_);
    device_scales_ = on_device(backend, scales_);
    device_.values = device_values_;
    device_.scales = device_scales_;
  }
  const PackedMatrix& host() const { return host_; }
  const PackedMatrix& device() const { return device_; }
  std::vector<float> decoded() const {
    std::vector<float> values(static_cast<size_t>(host_.rows * host_.columns));
    decode_packed(host_, 0, host_.rows, values.data());
    return values;
  }

 private:
  Bytes random_bytes(size_t count) {
    Bytes bytes(count);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random_());
    return bytes;
  }
  uint16_t small_half() { return static_cast<uint16_t>((random_() & 0x83ffu) | (8 + random_() % 4) << 10); }

  /// Exponents that mean no number are taken away, and large ones.
  void make_finite() {
    const PackedForm& form = host_.form;
    if (form.block != BlockType::kNone) {
      const BlockTraits& traits = traits_of(form.block);
      for (size_t block = 0; block < values_.size(); block += traits.bytes)
        for (int half = 0; half < traits.halves; ++half)
          put_half(values_, block + traits.half_at + 2 * static_cast<size_t>(half), small_half());
    } else if (form.dtype == DType::kF8E4M3 || form.dtype == DType::kF8E5M2) {
      for (std::byte& byte : values_) {
        const auto magnitude = std::to_integer<unsigned>(byte) & 0x7fu;
        if (magnitude > (form.dtype == DType::kF8E4M3 ? 0x7eu : 0x7bu)) byte &= std::byte{0x83};
      }
    } else if (form.dtype == DType::kF16) {
      for (size_t at = 0; at < values_.size(); at += 2) put_half(values_, at, small_half());
    } else if (form.dtype == DType::kBF16 || form.dtype == DType::kF32) {
      const size_t size = size_of(form.dtype);  // the exponent is in the last two bytes
      for (size_t at = size - 2; at < values_.size(); at += size)
        put_half(values_, at, static_cast<uint16_t>((random_() & 0x807fu) | (120 + random_() % 8) << 7));
    }
  }

  Bytes scales() {
    Bytes bytes = random_bytes(host_.form.scale_bytes(host_.rows, host_.columns, host_.tile_row));
    const bool is_group = host_.form.scale == PackedScale::kGroup;
    if (is_group && host_.form.dtype == DType::kU8)
      for (std::byte& byte : bytes) byte = static_cast<std::byte>(std::to_integer<unsigned>(byte) % 0x7fu);
    if (is_group && host_.form.dtype == DType::kF8E4M3)
      for (std::byte& byte : bytes) byte = static_cast<std::byte>(110 + std::to_integer<unsigned>(byte) % 30u);
    for (size_t at = 0; !is_group && at < bytes.size(); at += sizeof(float)) {
      const float scale = 0.001f * static_cast<float>(1 + random_() % 1000);
      std::memcpy(bytes.data() + at, &scale, sizeof scale);
    }
    return bytes;
  }

  static TensorView view_of(Bytes& bytes) {
    return {bytes.data(), DType::kU8, {static_cast<int64_t>(bytes.size())}, Memory::kHost};
  }
  static Tensor on_device(Backend& backend, Bytes& bytes) {
    Tensor memory = backend.allocate(DType::kU8, {static_cast<int64_t>(bytes.size())}, "test operand");
    backend.copy_bytes(view_of(bytes), memory, Queue::kCompute);
    backend.synchronize();
    return memory;
  }

  std::mt19937_64 random_;
  Bytes values_, scales_;
  Tensor device_values_, device_scales_;
  PackedMatrix host_, device_;
};

struct Size {
  int64_t rows, columns, tile_row = 0;
};

/// Of the sizes below those that a form can have.
constexpr std::array kSizes{Size{3, 256, 0},  Size{70, 512, 100}, Size{130, 768, 5}, Size{1, 32, 127},
                            Size{67, 96, 64}, Size{65, 40, 0},    Size{5, 24, 3},    Size{9, 7, 0},
                            Size{33, 1, 0},   Size{2, 5120, 0},   Size{64, 320, 0}};

std::string text_of(const PackedForm& form, const Size& size) {
  return form.text() + " " + Shape{size.rows, size.columns}.text();
}

using Expand = OnBackend;

TEST_F(Expand, GivesTheBitsOfTheDecoder) {
  for (const PackedForm& form : all_forms())
    for (const Size& size : kSizes) {
      if (!form.fits(size.columns)) continue;
      SCOPED_TRACE(text_of(form, size));
      Bench bench(backend(), "expand");
      const Sample sample(backend(), form, size.rows, size.columns, size.tile_row);
      const std::vector<float> want = sample.decoded();
      for (const DType dtype : {DType::kF32, DType::kBF16}) {
        const Operand y = bench.blank(dtype, {size.rows, size.columns});
        backend().expand(sample.device(), {}, y, Queue::kCompute);
        const std::vector<double> got = bench.get(y);
        for (size_t i = 0; i < want.size(); ++i)
          ASSERT_EQ(got[i], double{dtype == DType::kF32 ? want[i] : round_to_bf16(want[i])})
              << "value " << i << " in " << name_of(dtype);
      }
    }
}

struct Term {
  int64_t rank;
  float factor;
};

/// A matrix with terms, against sums in double precision.
void expect_terms(Backend& backend, const PackedForm& form, const Size& size, DType factors,
                  std::initializer_list<Term> terms) {
  SCOPED_TRACE(text_of(form, size) + " " + std::string(name_of(factors)));
  Bench bench(backend, "expand with terms");
  const Sample sample(backend, form, size.rows, size.columns, size.tile_row);
  const std::vector<float> decoded = sample.decoded();
  Expected want(size.rows * size.columns);
  want.value.assign(decoded.begin(), decoded.end());
  std::vector<Operand> operands;
  std::vector<Tensor> halves;
  std::vector<LowRankTerm> list;
  for (const Term& term : terms) {
    Operand up = bench.normal(DType::kBF16, {size.rows, term.rank}, {0.01, 0.5});
    Operand down = bench.normal(DType::kBF16, {term.rank, size.columns}, {-0.02, 0.5});
    const Expected sum =
        reference::add_low_rank(want.value, up.values, down.values, term.factor, size.rows, size.columns, term.rank);
    for (size_t i = 0; i < sum.value.size(); ++i) want.slack[i] += sum.slack[i];
    want.value = sum.value;
    // Values of BF16 that F16 has as well: of few bits, and not small.
    const auto as = [&](const Operand& operand) {
      if (factors == DType::kBF16) return operand.view;
      const Tensor host = host_tensor(DType::kF16, operand.shape);
      for (size_t i = 0; i < operand.values.size(); ++i) {
        const auto bits = std::bit_cast<uint32_t>(static_cast<float>(operand.values[i]));
        const int exponent = static_cast<int>(bits >> 23 & 0xff) - 127 + 15;
        // At most 2^-14 is lost of a value below the normal numbers: it is 0 on both sides then.
        static_cast<uint16_t*>(host->data)[i] = static_cast<uint16_t>(
            exponent <= 0 ? 0 : (bits >> 16 & 0x8000u) | static_cast<unsigned>(exponent) << 10 | (bits >> 13 & 0x3ffu));
      }
      halves.push_back(backend.allocate(DType::kF16, operand.shape, "test operand"));
      backend.copy_bytes(host, halves.back(), Queue::kCompute);
      backend.synchronize();
      return TensorView(halves.back());
    };
    list.push_back({as(up), as(down), term.factor});
    operands.push_back(std::move(up));
    operands.push_back(std::move(down));
    if (factors == DType::kF16)
      for (double& slack : want.slack) slack += static_cast<double>(term.rank) * 0x1p-14 * 4;
  }
  const Operand y = bench.blank(DType::kBF16, {size.rows, size.columns});
  backend.expand(sample.device(), list, y, Queue::kCompute);
  EXPECT_TRUE(bench.matches(y, want));
}

TEST_F(Expand, AddsTerms) {
  for (const PackedForm& form : all_forms())
    for (const Size& size :
         {Size{70, 512, 100}, Size{130, 768, 5}, Size{1, 256, 0}, Size{65, 40, 0}, Size{70, 1064, 0}, Size{9, 7, 0}}) {
      if (!form.fits(size.columns)) continue;
      expect_terms(backend(), form, size, DType::kBF16, {{16, 0.5f}});
    }
  const PackedForm q4{DType::kF32, BlockType::kQ4K, PackedScale::kNone};
  for (const DType factors : {DType::kBF16, DType::kF16})
    for (const int64_t rank : {1, 8, 16, 24, 32, 64, 80, 192}) {
      expect_terms(backend(), q4, {66, 512, 0}, factors, {{rank, -0.7f}});
      expect_terms(backend(), q4, {64, 256, 0}, factors, {{rank, 0.125f}, {16, 2.0f}, {5, -1.0f}});
    }
}

TEST_F(Expand, RefusesWhatDoesNotFit) {
  Bench bench(backend(), "refusals");
  const PackedForm q8{DType::kF32, BlockType::kQ8_0, PackedScale::kNone};
  const Sample sample(backend(), q8, 4, 64);
  const Operand y = bench.blank(DType::kBF16, {4, 64}), turned = bench.blank(DType::kBF16, {64, 4});
  const Operand padded = bench.blank(DType::kBF16, {4, 64}, 8), wide = bench.blank(DType::kF32, {4, 64});
  const Operand up = bench.normal(DType::kBF16, {4, 2}), down = bench.normal(DType::kBF16, {2, 64});
  const Operand exact = bench.normal(DType::kF32, {2, 64}), other = bench.normal(DType::kBF16, {3, 64});
  const auto expand = [&](const PackedMatrix& matrix, std::vector<LowRankTerm> terms, const Operand& out) {
    backend().expand(matrix, terms, out, Queue::kCompute);
  };
  EXPECT_ANY_THROW(expand(sample.device(), {}, turned));
  EXPECT_ANY_THROW(expand(sample.device(), {}, padded));
  EXPECT_ANY_THROW(expand(sample.device(), {{up, exact, 1}}, y));
  EXPECT_ANY_THROW(expand(sample.device(), {{up, other, 1}}, y));
  EXPECT_ANY_THROW(expand(sample.device(), {{up, down, 1}}, wide));
  PackedMatrix cut = sample.device();
  cut.columns = 60;
  EXPECT_ANY_THROW(expand(cut, {}, y));
  cut = sample.device();
  cut.rows = 3;
  EXPECT_ANY_THROW(expand(cut, {}, y));
  cut = sample.device();
  cut.form = {DType::kI8, BlockType::kNone, PackedScale::kRow};
  EXPECT_ANY_THROW(expand(cut, {}, y));
  EXPECT_NO_THROW(expand(sample.device(), {{up, down, 1}}, y));
}

TEST_F(Expand, AcceptsNothing) {
  Bench bench(backend(), "empty");
  const Sample sample(backend(), {DType::kF8E4M3, BlockType::kNone, PackedScale::kRow}, 0, 64);
  const Operand y = bench.normal(DType::kBF16, {2, 64});
  EXPECT_NO_THROW(backend().expand(sample.device(), {}, y.view.slice(0, 0, 0), Queue::kCompute));
}

}  // namespace
}  // namespace wan
