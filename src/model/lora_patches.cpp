#include "model/lora_patches.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "base/error.h"

namespace wan {
namespace {

constexpr int64_t kBatch = 2048;

void add_difference(const PatchTerm& term, int64_t begin, int64_t end, float* values) {
  std::array<float, kBatch> difference;
  for (int64_t first = begin; first < end; first += kBatch) {
    const int64_t count = std::min(kBatch, end - first);
    term.lora->read(*term.change->difference, first, first + count, difference.data());
    float* const out = values + (first - begin);
    for (int64_t i = 0; i < count; ++i) out[i] += term.factor * difference[static_cast<size_t>(i)];
  }
}

/// Columns [begin, end) of `down`, in F32 and row after row.
std::vector<float> columns_of(const PatchTerm& term, int64_t columns, int64_t begin, int64_t end) {
  const LoraChange& change = *term.change;
  const int64_t width = end - begin;
  std::vector<float> down(static_cast<size_t>(change.rank * width));
  for (int64_t k = 0; k < change.rank; ++k)
    term.lora->read(*change.down, k * columns + begin, k * columns + end, down.data() + k * width);
  return down;
}

/// sum += up[k] * (row k of `down`) for all k in order; four rows a pass, so that sums stay in registers.
void add_rows(const float* up, int64_t rank, const float* down, int64_t width, int64_t count, float* sum) {
  int64_t k = 0;
  for (; k + 4 <= rank; k += 4) {
    const float *const a = down + k * width, *const b = a + width, *const c = b + width, *const d = c + width;
    const float p = up[k], q = up[k + 1], r = up[k + 2], s = up[k + 3];
    for (int64_t i = 0; i < count; ++i) sum[i] = (((sum[i] + p * a[i]) + q * b[i]) + r * c[i]) + s * d[i];
  }
  for (; k < rank; ++k) {
    const float p = up[k];
    for (int64_t i = 0; i < count; ++i) sum[i] += p * down[k * width + i];
  }
}

/// out += factor * (up down) over `count` columns of one row; `down` begins at the first of them.
void add_row(const float* up, int64_t rank, const float* down, int64_t width, float factor, int64_t count, float* out) {
  std::array<float, kBatch> sum;
  for (int64_t first = 0; first < count; first += kBatch) {
    const int64_t n = std::min(kBatch, count - first);
    std::fill_n(sum.data(), n, 0.0f);
    add_rows(up, rank, down + first, width, n, sum.data());
    for (int64_t i = 0; i < n; ++i) out[first + i] += factor * sum[static_cast<size_t>(i)];
  }
}

void add_product(const PatchTerm& term, int64_t begin, int64_t end, float* values) {
  const LoraChange& change = *term.change;
  const int64_t columns = change.shape.count() / change.shape[0];
  const int64_t first_row = begin / columns, last_row = (end - 1) / columns;
  const bool one_row = first_row == last_row;
  const int64_t left = one_row ? begin % columns : 0, right = one_row ? (end - 1) % columns + 1 : columns;
  const std::vector<float> down = columns_of(term, columns, left, right);
  std::vector<float> up(static_cast<size_t>(change.rank));
  for (int64_t row = first_row; row <= last_row; ++row) {
    const int64_t from = std::max(begin, row * columns), to = std::min(end, (row + 1) * columns);
    term.lora->read(*change.up, row * change.rank, (row + 1) * change.rank, up.data());
    add_row(up.data(), change.rank, down.data() + (from - row * columns - left), right - left, term.factor, to - from,
            values + (from - begin));
  }
}

void require_finite(const PatchTerm& last, int64_t begin, int64_t end, const float* values) {
  const float* const bad =
      std::find_if(values, values + (end - begin), [](float value) { return !std::isfinite(value); });
  if (bad == values + (end - begin)) return;
  throw Error(ErrorKind::kInput,
              fmt::format("{}: makes value {} of {} too large for a number: take a smaller strength, or another file",
                          last.lora->facts().file.string(), begin + (bad - values), last.change->weight));
}

}  // namespace

void WeightPatches::add(const Lora& lora, float strength, LoraExpert expert) {
  const std::string file = lora.facts().file.string();
  require(std::isfinite(strength), fmt::format("the strength of {} must be a finite number", file), ErrorKind::kUsage);
  const auto is_second = [](const LoraChange& change) { return change.expert == LoraExpert::kLow; };
  require(expert != LoraExpert::kAll || std::ranges::none_of(lora.changes(), is_second),
          fmt::format("{}: transformer_2. in its names is the low-noise expert of a pair, and this model has one: take "
                      "a LoRA that was made for this model",
                      file));
  require(lora.is_for(expert), fmt::format("{}: nothing in it is for the {}", file, name_of(expert)));
  AppliedLora applied{lora.facts(), strength, expert, 0};
  const LoraChange* before = nullptr;
  for (const LoraChange& change : lora.changes()) {
    const bool is_meant = expert == LoraExpert::kAll || change.expert == LoraExpert::kAll || change.expert == expert;
    if (!is_meant || strength == 0) continue;
    if (before == nullptr || before->weight != change.weight) ++applied.weights;
    before = &change;
    const auto factor = static_cast<float>(double{strength} * change.scale);
    terms_[change.weight].push_back({&lora, &change, factor});
  }
  applied_.push_back(std::move(applied));
}

std::span<const PatchTerm> WeightPatches::terms(std::string_view weight) const {
  const auto at = terms_.find(weight);
  return at == terms_.end() ? std::span<const PatchTerm>() : at->second;
}

void WeightPatches::apply(std::string_view weight, int64_t begin, int64_t end, float* values) const {
  const auto all = terms(weight);
  if (all.empty() || begin >= end) return;
  require_op(begin >= 0 && end <= all.front().change->shape.count(), "a range beyond " + std::string(weight));
  for (const PatchTerm& term : all)
    if (term.change->is_product())
      add_product(term, begin, end, values);
    else
      add_difference(term, begin, end, values);
  require_finite(all.back(), begin, end, values);
}

}  // namespace wan
