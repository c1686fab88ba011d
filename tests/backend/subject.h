// The backend a test program is about, and the base of the tests that run operation cases on it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <tuple>

#include "backend/backend.h"

namespace wan {

/// Either the backend under test, made once, or the reason why this machine cannot test it.
struct Subject {
  std::unique_ptr<Backend> backend;
  std::string skip;
};
/// Each test program defines its own.
Subject make_subject();

/// The program's subject, made on first use.
Subject& subject();

/// Every case runs at both precisions; `activations` is the dtype of what flows between operations.
enum class Precision { kF32, kBF16 };
inline DType activations(Precision p) { return p == Precision::kF32 ? DType::kF32 : DType::kBF16; }
inline std::string name_of(Precision p) { return p == Precision::kF32 ? "F32" : "BF16"; }

/// For a test without cases of its own.
class OnBackend : public testing::Test {
 protected:
  void SetUp() override {
    if (subject().backend == nullptr) GTEST_SKIP() << subject().skip;
  }
  Backend& backend() { return *subject().backend; }
};

/// For a table of cases; a case has a `name` of letters and digits.
template <typename Case>
class OnBackendWith : public testing::TestWithParam<std::tuple<Case, Precision>> {
 protected:
  void SetUp() override {
    if (subject().backend == nullptr) GTEST_SKIP() << subject().skip;
  }
  Backend& backend() { return *subject().backend; }
  const Case& param() const { return std::get<0>(this->GetParam()); }
  DType dtype() const { return activations(std::get<1>(this->GetParam())); }
};

struct CaseName {
  template <typename Info>
  std::string operator()(const Info& info) const {
    return std::get<0>(info.param).name + std::string("_") + name_of(std::get<1>(info.param));
  }
};

/// Both precisions of every case of a table.
template <typename Table>
auto both_precisions(const Table& table) {
  return testing::Combine(testing::ValuesIn(table), testing::Values(Precision::kF32, Precision::kBF16));
}

}  // namespace wan
