// GGUF's numbers: of the types of its metadata and of its tensors. Private to io/.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "tensor/blocks.h"
#include "tensor/dtype.h"

namespace wan::gguf {

inline constexpr std::string_view kMagic = "GGUF";
inline constexpr uint64_t kAlignment = 32;  // of tensors, where general.alignment does not say otherwise
inline constexpr uint32_t kMaxAxes = 5;     // ComfyUI's patch embedding has five

/// Of metadata.
enum ValueType : uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64, kTypes };

/// Of tensors: those that are read and written.
struct TensorType {
  uint32_t id;
  DType dtype;
  BlockType block = BlockType::kNone;
};

inline constexpr std::array kTensorTypes{
    TensorType{0, DType::kF32},
    TensorType{1, DType::kF16},
    TensorType{30, DType::kBF16},
    TensorType{2, DType::kU8, BlockType::kQ4_0},
    TensorType{3, DType::kU8, BlockType::kQ4_1},
    TensorType{6, DType::kU8, BlockType::kQ5_0},
    TensorType{7, DType::kU8, BlockType::kQ5_1},
    TensorType{8, DType::kU8, BlockType::kQ8_0},
    TensorType{10, DType::kU8, BlockType::kQ2K},
    TensorType{11, DType::kU8, BlockType::kQ3K},
    TensorType{12, DType::kU8, BlockType::kQ4K},
    TensorType{13, DType::kU8, BlockType::kQ5K},
    TensorType{14, DType::kU8, BlockType::kQ6K},
    TensorType{20, DType::kU8, BlockType::kIQ4NL},
    TensorType{23, DType::kU8, BlockType::kIQ4XS},
};

}  // namespace wan::gguf
