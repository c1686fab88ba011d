// Attention's operands in 8 bits for tests: memory of their own, and what they hold.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/attention8_contract.h"
#include "bits.h"
#include "subject.h"

namespace wan {

/// Operands in 8 bits that own their memory, filled with what nobody writes.
struct Attention8Operands {
  Tensor memory;
  Attention8 a;
  Attention8Operands(Backend& backend, int64_t queries, int64_t keys, int64_t heads, AttentionForm form) {
    Arena dry = Arena::dry();
    allocate_attention8(dry, queries, keys, heads, form);
    const auto bytes = static_cast<int64_t>(dry.peak());
    memory = put(backend, {bytes}, std::vector<uint8_t>(static_cast<size_t>(bytes), 0x55));
    Arena arena(memory);
    a = allocate_attention8(arena, queries, keys, heads, form);
  }
};

/// What they hold.
struct Attention8Parts {
  std::vector<int8_t> q, k;
  std::vector<float> q_scale, k_scale, v_scale, v_mean;
  std::vector<uint8_t> v;  // of k8And8
  Attention8Parts(Backend& backend, const Attention8& a)
      : q(get<int8_t>(backend, a.q)),
        k(get<int8_t>(backend, a.k)),
        q_scale(get<float>(backend, a.q_scale)),
        k_scale(get<float>(backend, a.k_scale)) {
    if (a.form == AttentionForm::k8And16) return;
    v_scale = get<float>(backend, a.v_scale);
    v_mean = get<float>(backend, a.v_mean);
    v = get<uint8_t>(backend, a.v);
  }
};

/// Skipped where the backend has no attention in 8 bits.
class OnAttention8 : public OnBackend {
 protected:
  void SetUp() override {
    OnBackend::SetUp();
    if (!IsSkipped() && !backend().has_attention8()) GTEST_SKIP() << "no attention in 8 bits on this device";
  }
};

/// Likewise, and for F32, which the CPU alone takes.
template <typename Case>
class OnAttention8With : public OnBackendWith<Case> {
 protected:
  void SetUp() override {
    OnBackendWith<Case>::SetUp();
    if (this->IsSkipped()) return;
    if (!this->backend().has_attention8()) GTEST_SKIP() << "no attention in 8 bits on this device";
    if (this->dtype() == DType::kF32 && this->backend().info().kind != "cpu") GTEST_SKIP() << "BF16 alone";
  }
};

}  // namespace wan
