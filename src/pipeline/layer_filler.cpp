#include "pipeline/layer_filler.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace wan {
namespace {

constexpr size_t kAlignment = 256;  // of what a kernel reads in vectors

size_t aligned(size_t offset) { return (offset + kAlignment - 1) / kAlignment * kAlignment; }

TensorView bytes_of(std::span<std::byte> host) {
  return {host.data(), DType::kU8, {static_cast<int64_t>(host.size())}, Memory::kHost};
}

TensorView view_at(TensorView memory, size_t offset, DType dtype, const Shape& shape) {
  return {static_cast<std::byte*>(memory.data) + offset, dtype, shape, memory.memory};
}

}  // namespace

LayerFiller::LayerFiller(Backend& backend, std::span<const WeightLayout> layouts, const WeightSource& source,
                         size_t chunk_bytes, bool merges_on_device)
    : backend_(backend),
      layouts_(layouts),
      source_(source),
      merges_on_device_(merges_on_device && source.is_patched()) {
  const size_t slab_bytes = layouts_.front().bytes();
  // A base in F32 is twice as long as in the slab, and the device takes whole rows.
  const size_t most = merges_on_device_ ? std::max<size_t>(chunk_bytes / 2, sizeof(float)) : chunk_bytes;
  for (size_t begin = 0; begin < slab_bytes;) {
    size_t end = std::min(begin + most, slab_bytes);
    if (merges_on_device_ && end < slab_bytes) end = std::max(row_begin_before(end), begin);
    if (end == begin) end = std::min(begin + most, slab_bytes);  // a row that is longer than a chunk
    chunks_.push_back({begin, end});
    begin = end;
  }
  for (int layer = 0; layer < static_cast<int>(layouts_.size()); ++layer)
    for (const Chunk& chunk : chunks_) {
      const std::vector<Piece> pieces = pieces_of(layer, chunk);
      const size_t staged = !merges_on_device_ || pieces.empty() ? chunk.bytes() : pieces.back().staged_end;
      staging_bytes_ = std::max(staging_bytes_, staged);
    }
}

/// Where the row begins that `offset` lies in; `offset` itself between slots.
size_t LayerFiller::row_begin_before(size_t offset) const {
  for (const WeightSlot& slot : layouts_.front().slots()) {
    const size_t element = size_of(slot.dtype);
    for (const WeightPart& part : slot.parts) {
      const size_t begin = slot.offset + static_cast<size_t>(part.element_offset) * element;
      const size_t bytes = static_cast<size_t>(part.shape.count()) * element;
      if (offset < begin || offset >= begin + bytes) continue;
      const size_t row = part.shape.rank() < 2 ? element : bytes / static_cast<size_t>(part.shape[0]);
      return begin + (offset - begin) / row * row;
    }
  }
  return offset;
}

void LayerFiller::start() {
  if (merges_on_device_)
    scratch_ = backend_.allocate(DType::kU8, {static_cast<int64_t>(staging_bytes_)}, "memory to merge LoRAs in");
}

/// The terms, where the device can add all of them: products, of whole rows.
std::span<const PatchTerm> LayerFiller::terms_for_device(const Piece& piece) const {
  const auto terms = source_.terms(*piece.part);
  if (!merges_on_device_ || terms.empty()) return {};
  const bool are_products = std::ranges::all_of(terms, [](const PatchTerm& term) { return term.change->is_product(); });
  const int64_t columns = piece.columns();
  return are_products && piece.begin % columns == 0 && piece.end % columns == 0 ? terms : std::span<const PatchTerm>();
}

LayerFiller::Factors LayerFiller::factors_at(const Piece& piece, const PatchTerm& term, size_t begin) {
  Factors factors;
  factors.up = aligned(begin);
  factors.down = aligned(factors.up + static_cast<size_t>(piece.rows() * term.change->rank) * sizeof(float));
  factors.end = factors.down + static_cast<size_t>(piece.columns() * term.change->rank) * sizeof(float);
  return factors;
}

std::vector<LayerFiller::Piece> LayerFiller::pieces_of(int layer, const Chunk& chunk) const {
  std::vector<Piece> pieces;
  size_t staged = 0;
  for (const WeightSlot& slot : layouts_[static_cast<size_t>(layer)].slots()) {
    const size_t element = size_of(slot.dtype);
    for (const WeightPart& part : slot.parts) {
      const size_t part_begin = slot.offset + static_cast<size_t>(part.element_offset) * element;
      const size_t part_end = part_begin + static_cast<size_t>(part.shape.count()) * element;
      const size_t from = std::max(chunk.begin, part_begin), to = std::min(chunk.end, part_end);
      if (from >= to) continue;
      Piece piece{&slot,
                  &part,
                  static_cast<int64_t>((from - part_begin) / element),
                  static_cast<int64_t>((to - part_begin) / element),
                  from,
                  to - from,
                  0,
                  0,
                  {},
                  slot.dtype};
      piece.terms = terms_for_device(piece);
      // Sums of several LoRAs stay in F32 until the last.
      if (!piece.terms.empty() && (piece.terms.size() > 1 || !source_.is_stored_as(part, slot.dtype)))
        piece.base = DType::kF32;
      piece.staged = aligned(staged);
      piece.staged_end = piece.staged + piece.base_bytes();
      for (const PatchTerm& term : piece.terms) piece.staged_end = factors_at(piece, term, piece.staged_end).end;
      staged = piece.staged_end;
      pieces.push_back(piece);
    }
  }
  return pieces;
}

void LayerFiller::write(int layer, const Chunk& chunk, std::byte* out) const {
  for (const Piece& piece : pieces_of(layer, chunk))
    source_.read(*piece.part, piece.begin, piece.end, piece.slot->dtype, out + (piece.slab_begin - chunk.begin));
}

void LayerFiller::stage(int layer, const Chunk& chunk, std::byte* staging) const {
  if (!merges_on_device_) return write(layer, chunk, staging);
  for (const Piece& piece : pieces_of(layer, chunk)) stage_piece(piece, staging);
}

void LayerFiller::stage_piece(const Piece& piece, std::byte* staging) const {
  std::byte* const base = staging + piece.staged;
  if (piece.terms.empty()) return source_.read(*piece.part, piece.begin, piece.end, piece.slot->dtype, base);
  source_.read_base(*piece.part, piece.begin, piece.end, piece.base, base);
  stage_factors(piece, staging);
}

/// Of a piece whose base is there.
void LayerFiller::stage_factors(const Piece& piece, std::byte* staging) const {
  const int64_t columns = piece.columns();
  size_t end = piece.staged + piece.base_bytes();
  for (const PatchTerm& term : piece.terms) {
    const LoraChange& change = *term.change;
    const Factors factors = factors_at(piece, term, end);
    term.lora->read(*change.up, piece.begin / columns * change.rank, piece.end / columns * change.rank,
                    reinterpret_cast<float*>(staging + factors.up));
    term.lora->read(*change.down, 0, columns * change.rank, reinterpret_cast<float*>(staging + factors.down));
    end = factors.end;
  }
}

void LayerFiller::issue(int layer, const Chunk& chunk, TensorView staging, TensorView out) const {
  const auto bytes = [](TensorView memory, size_t begin, size_t end) {
    return memory.slice(0, static_cast<int64_t>(begin), static_cast<int64_t>(end));
  };
  if (!merges_on_device_)
    return backend_.copy_bytes(bytes(staging, 0, chunk.bytes()), bytes(out, 0, chunk.bytes()), Queue::kCopy);
  for (const Piece& piece : pieces_of(layer, chunk)) {
    const TensorView staged = bytes(staging, piece.staged, piece.staged_end);
    const size_t begin = piece.slab_begin - chunk.begin;
    const TensorView values = bytes(out, begin, begin + piece.bytes);
    if (piece.terms.empty()) {
      backend_.copy_bytes(staged, values, Queue::kCopy);
    } else {
      backend_.copy_bytes(staged, bytes(scratch_, piece.staged, piece.staged_end), Queue::kCopy);
      merge(piece, scratch_, view_at(values, 0, piece.slot->dtype, piece.matrix()), Queue::kCopy);
    }
  }
}

/// out = base + the terms, of what `memory` has where it was staged.
void LayerFiller::merge(const Piece& piece, TensorView memory, TensorView out, Queue queue) const {
  const TensorView base = view_at(memory, piece.staged, piece.base, piece.matrix());
  size_t end = piece.staged + piece.base_bytes();
  for (const PatchTerm& term : piece.terms) {
    const Factors factors = factors_at(piece, term, end);
    const bool is_last = &term == &piece.terms.back();
    backend_.add_low_rank(base, view_at(memory, factors.up, DType::kF32, {piece.rows(), term.change->rank}),
                          view_at(memory, factors.down, DType::kF32, {term.change->rank, piece.columns()}), term.factor,
                          is_last ? out : base, queue);
    end = factors.end;
  }
}

/// Several times as large as a chunk's: seeded values come a whole part at a time.
size_t LayerFiller::seeded_bytes() const {
  size_t most = 0;
  for (int layer = 0; merges_on_device_ && layer < static_cast<int>(layouts_.size()); ++layer)
    for (const Piece& piece : pieces_of(layer, whole_slab()))
      if (!piece.terms.empty()) most = std::max(most, piece.staged_end - piece.staged);
  return most;
}

void LayerFiller::make_on_device(int first, std::span<const TensorView> slabs) const {
  const size_t most = seeded_bytes();
  const Tensor memory =
      most == 0 ? Tensor() : backend_.allocate(DType::kU8, {static_cast<int64_t>(most)}, "a weight to merge LoRAs in");
  std::vector<std::byte> host(most);
  for (size_t layer = 0; layer < slabs.size(); ++layer)
    for (const Piece& piece : pieces_of(first + static_cast<int>(layer), whole_slab())) {
      const TensorView values = view_at(slabs[layer], piece.slab_begin, piece.slot->dtype, piece.part->shape);
      if (source_.terms(*piece.part).empty() && source_.can_make_on_device(values.dtype)) {
        source_.make_on_device(backend_, *piece.part, values);
      } else if (piece.terms.empty()) {
        std::vector<std::byte> merged(piece.bytes);
        source_.read(*piece.part, piece.begin, piece.end, piece.slot->dtype, merged.data());
        backend_.copy_bytes(bytes_of(merged), view_at(values, 0, DType::kU8, {static_cast<int64_t>(piece.bytes)}),
                            Queue::kCompute);
      } else {
        merge_seeded(piece, memory, host, values);
      }
    }
  if (most > 0) backend_.synchronize();  // before `memory` goes
}

void LayerFiller::merge_seeded(Piece piece, TensorView memory, std::span<std::byte> host, TensorView out) const {
  piece.staged_end -= std::exchange(piece.staged, 0);
  source_.make_on_device(backend_, *piece.part, view_at(memory, 0, piece.base, piece.part->shape));
  stage_factors(piece, host.data());
  const auto begin = static_cast<int64_t>(piece.base_bytes()), end = static_cast<int64_t>(piece.staged_end);
  backend_.copy_bytes(bytes_of(host).slice(0, begin, end), memory.slice(0, begin, end), Queue::kCompute);
  merge(piece, memory, view_at(out, 0, out.dtype, piece.matrix()), Queue::kCompute);
}

}  // namespace wan
