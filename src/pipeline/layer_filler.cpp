#include "pipeline/layer_filler.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace wan {
namespace {

TensorView bytes_of(std::span<std::byte> host) {
  return {host.data(), DType::kU8, {static_cast<int64_t>(host.size())}, Memory::kHost};
}

TensorView bytes_in(TensorView memory, size_t begin, size_t end) {
  return memory.slice(0, static_cast<int64_t>(begin), static_cast<int64_t>(end));
}

TensorView view_at(TensorView memory, size_t offset, DType dtype, const Shape& shape) {
  return {static_cast<std::byte*>(memory.data) + offset, dtype, shape, memory.memory};
}

}  // namespace

LayerFiller::LayerFiller(Backend& backend, std::span<const WeightLayout> layouts, const WeightSource& source,
                         size_t chunk_bytes, bool expands_on_device)
    : backend_(backend),
      layouts_(layouts),
      source_(source),
      packer_(source),
      expands_on_device_(expands_on_device && is_expanded_anywhere()) {
  const size_t slab_bytes = layouts_.front().bytes();
  // What a LoRA is added to may be F32, twice as long as in the slab.
  const bool may_grow = expands_on_device_ && source.is_patched();
  const size_t most = may_grow ? std::max<size_t>(chunk_bytes / 2, sizeof(float)) : chunk_bytes;
  for (size_t begin = 0; begin < slab_bytes;) {
    size_t end = std::min(begin + most, slab_bytes);
    if (expands_on_device_ && end < slab_bytes) end = std::max(row_begin_before(end), begin);
    if (end == begin) end = std::min(begin + most, slab_bytes);  // a row that is longer than a chunk
    chunks_.push_back({begin, end});
    begin = end;
  }
  for (int layer = 0; layer < static_cast<int>(layouts_.size()); ++layer)
    for (const Chunk& chunk : chunks_) {
      if (!expands_on_device_) {
        staging_bytes_ = std::max(staging_bytes_, chunk.bytes());
        continue;
      }
      for (const PackedPiece& piece : pieces_of(layer, chunk))
        staging_bytes_ = std::max(staging_bytes_, piece.memory_end);
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

bool LayerFiller::is_expanded_anywhere() const {
  if (source_.can_make_on_device(layouts_.front())) return true;
  for (const WeightLayout& layout : layouts_)
    for (const WeightSlot& slot : layout.slots())
      for (const WeightPart& part : slot.parts)
        if (!source_.packed(part, slot.dtype).is_read) return true;
  return false;
}

void LayerFiller::start(std::initializer_list<Queue> queues) {
  if (!expands_on_device_) return;
  for (const Queue queue : queues)
    scratch_[queue] =
        backend_.allocate(DType::kU8, {static_cast<int64_t>(staging_bytes_)}, "memory to expand weights from");
}

std::vector<PackedPiece> LayerFiller::pieces_of(int layer, const Chunk& chunk) const {
  std::vector<PackedPiece> pieces;
  size_t staged = 0;
  for (const WeightSlot& slot : layouts_[static_cast<size_t>(layer)].slots()) {
    const size_t element = size_of(slot.dtype);
    for (const WeightPart& part : slot.parts) {
      const size_t part_begin = slot.offset + static_cast<size_t>(part.element_offset) * element;
      const size_t part_end = part_begin + static_cast<size_t>(part.shape.count()) * element;
      const size_t from = std::max(chunk.begin, part_begin), to = std::min(chunk.end, part_end);
      if (from >= to) continue;
      pieces.push_back(packer_.place(slot, part, static_cast<int64_t>((from - part_begin) / element),
                                     static_cast<int64_t>((to - part_begin) / element), staged));
      staged = pieces.back().memory_end;
    }
  }
  return pieces;
}

void LayerFiller::write(int layer, const Chunk& chunk, std::byte* out) const {
  for (const PackedPiece& piece : pieces_of(layer, chunk))
    source_.read(*piece.part, piece.begin, piece.end, piece.slot->dtype, out + (piece.slab_begin - chunk.begin));
}

void LayerFiller::stage(int layer, const Chunk& chunk, std::byte* staging) const {
  if (!expands_on_device_) return write(layer, chunk, staging);
  for (const PackedPiece& piece : pieces_of(layer, chunk)) {
    if (piece.is_seeded)
      packer_.write_rest(piece, staging);
    else
      packer_.write(piece, staging);
  }
}

void LayerFiller::issue(int layer, const Chunk& chunk, TensorView staging, TensorView out, Queue queue) const {
  if (!expands_on_device_)
    return backend_.copy_bytes(bytes_in(staging, 0, chunk.bytes()), bytes_in(out, 0, chunk.bytes()), queue);
  const TensorView scratch = scratch_.at(queue);
  for (const PackedPiece& piece : pieces_of(layer, chunk)) {
    if (piece.is_seeded) packer_.make_values(backend_, piece, scratch, out, chunk.begin, queue);
    if (piece.packed.is_read) {
      if (!piece.is_seeded) expand(backend_, piece, staging, out, chunk.begin, queue);
      continue;
    }
    const size_t staged = piece.is_seeded ? piece.scales : piece.values;
    backend_.copy_bytes(bytes_in(staging, staged, piece.memory_end), bytes_in(scratch, staged, piece.memory_end),
                        queue);
    expand(backend_, piece, scratch, out, chunk.begin, queue);
  }
}

/// Several times as large as a chunk's: seeded values come a whole part at a time.
size_t LayerFiller::seeded_bytes() const {
  size_t most = 0;
  for (const WeightLayout& layout : layouts_)
    for (const WeightSlot& slot : layout.slots())
      for (const WeightPart& part : slot.parts) {
        const PackedPiece piece = packer_.place(slot, part, 0, part.shape.count(), 0);
        if (!piece.packed.is_read) most = std::max(most, piece.memory_end);
      }
  return most;
}

void LayerFiller::make_on_device(int first, std::span<const TensorView> slabs) const {
  const size_t most = seeded_bytes();
  const Tensor memory =
      most == 0 ? Tensor() : backend_.allocate(DType::kU8, {static_cast<int64_t>(most)}, "a weight to merge LoRAs in");
  std::vector<std::byte> host(most);
  for (size_t layer = 0; layer < slabs.size(); ++layer)
    for (const WeightSlot& slot : layouts_[static_cast<size_t>(first) + layer].slots())
      for (const WeightPart& part : slot.parts) {
        const size_t begin = slot.offset + static_cast<size_t>(part.element_offset) * size_of(slot.dtype);
        if (source_.terms(part).empty() && source_.can_make_on_device(slot.dtype))
          source_.make_on_device(backend_, part, 0, view_at(slabs[layer], begin, slot.dtype, part.shape),
                                 Queue::kCompute);
        else
          merge_seeded(slot, part, memory, host, slabs[layer]);
      }
  if (most > 0) backend_.synchronize();  // before `memory` goes
}

void LayerFiller::merge_seeded(const WeightSlot& slot, const WeightPart& part, TensorView memory,
                               std::span<std::byte> host, TensorView slab) const {
  const PackedPiece piece = packer_.place(slot, part, 0, part.shape.count(), 0);
  if (piece.packed.is_read) {
    std::vector<std::byte> values(piece.slab_bytes());
    packer_.write_rows(piece, 0, piece.rows(), values.data());
    return backend_.copy_bytes(bytes_of(values), bytes_in(slab, piece.slab_begin, piece.slab_begin + values.size()),
                               Queue::kCompute);
  }
  packer_.make_values(backend_, piece, memory, slab, 0, Queue::kCompute);
  packer_.write_rest(piece, host.data());
  backend_.copy_bytes(
      bytes_of(host).slice(0, static_cast<int64_t>(piece.scales), static_cast<int64_t>(piece.memory_end)),
      bytes_in(memory, piece.scales, piece.memory_end), Queue::kCompute);
  expand(backend_, piece, memory, slab, 0, Queue::kCompute);
}

}  // namespace wan
