// wan_kernel_bench: times every CUDA kernel but the convolutions at the models' shapes, on random data, beside the
// card's own ceilings measured in the same run.
//   --memory            memory-bound kernels             --products          matrix products alone
//   --step SECONDS      a layer's operations in place    --floor SECONDS     products and attention alone, back to back
//   --int8 SECONDS      products of rows in 8 bits beside those in bf16, SECONDS each
//   --attention8 SECONDS   self-attention in 8 bits beside that in bf16, SECONDS each
//   --tune SECONDS      cuBLASLt kernels, SECONDS a shape; prints rows of a tuning table
//   --model NAME        5b (default), 14b-480p, 14b-720p, s2v-1024x704, animate-720p or all   --table FILE   tuning
//   table to use
#include <fmt/format.h>

#include <cstdlib>
#include <map>

#include "backend/cuda/factory.h"
#include "backend/cuda/tuning.h"
#include "base/error.h"
#include "base/file.h"
#include "kernels_attention8.h"
#include "kernels_int8.h"
#include "kernels_memory.h"
#include "kernels_step.h"

namespace wan::bench {
namespace {

using Options = std::map<std::string, std::string>;

Options parse(int count, char** arguments) {
  Options options{{"--model", "5b"}};
  const std::map<std::string, int> known = {{"--memory", 0}, {"--products", 0}, {"--step", 1},
                                            {"--floor", 1},  {"--int8", 1},     {"--attention8", 1},
                                            {"--tune", 1},   {"--model", 1},    {"--table", 1}};
  for (int i = 1; i < count; ++i) {
    const auto found = known.find(arguments[i]);
    require(found != known.end(), fmt::format("unknown option {}", arguments[i]), ErrorKind::kUsage);
    require(i + found->second < count, fmt::format("{} needs a value", arguments[i]), ErrorKind::kUsage);
    options[found->first] = found->second == 0 ? "" : arguments[++i];
  }
  return options;
}

std::vector<DitShape> chosen_shapes(const std::string& name) {
  std::vector<DitShape> shapes;
  for (const DitShape& shape : dit_shapes()) {
    if (name == "all" || name == shape.name) shapes.push_back(shape);
  }
  require(!shapes.empty(),
          fmt::format("unknown model {}: 5b, 14b-480p, 14b-720p, s2v-1024x704, animate-720p or all", name),
          ErrorKind::kUsage);
  return shapes;
}

void run_products(cuda::CudaBackend& backend, const DitShape& shape, const Ceilings& ceilings) {
  constexpr double kSeconds = 0.2;
  const DitLayer layer(backend, shape);
  print_header();
  for (const Operation& operation : layer.operations()) {
    if (operation.is_matrix())
      print_row(shape.name + " " + operation.name, time_calls(backend, kSeconds, operation.call), operation.cost,
                ceilings);
  }
}

void tune(cuda::CudaBackend& backend, const std::vector<DitShape>& shapes, Seconds seconds) {
  std::vector<ProductShape> products;
  for (const DitShape& s : shapes) {
    const auto add = [&](int64_t n, int64_t k, Activation activation) {
      products.push_back({.m = s.tokens, .n = n, .k = k, .activation = activation});
    };
    add(3 * s.width, s.width, Activation::kNone);
    add(s.width, s.width, Activation::kNone);
    add(s.hidden, s.width, Activation::kGeluTanh);
    add(s.width, s.hidden, Activation::kNone);
  }
  for (const std::string& row : backend.linear_state().tune(products, seconds)) fmt::print("{}\n", row);
}

void run(const Options& options) {
  const auto problem = cuda::problem(0);
  require(!problem, problem.value_or(""), ErrorKind::kUsage);
  const auto table = options.find("--table");
  cuda::CudaBackend backend(
      0, table == options.end() ? std::string(cuda::builtin_tuning_table()) : read_text(table->second));
  fmt::print("{}, {}\n", backend.info().name, backend.info().libraries);
  const auto shapes = chosen_shapes(options.at("--model"));
  const auto seconds = [&](const char* name) { return std::atof(options.at(name).c_str()); };
  const Ceilings ceilings = measure_ceilings(backend);
  if (options.contains("--tune")) tune(backend, shapes, {seconds("--tune")});
  if (options.contains("--memory")) run_memory_bound(backend, ceilings);
  for (const DitShape& shape : shapes) {
    if (options.contains("--products")) run_products(backend, shape, ceilings);
    if (options.contains("--int8")) run_int8(backend, shape, seconds("--int8"), ceilings);
    if (options.contains("--attention8")) run_attention8(backend, shape, seconds("--attention8"), ceilings);
    if (options.contains("--step")) run_step(backend, shape, seconds("--step"), false, ceilings);
    if (options.contains("--floor")) run_step(backend, shape, seconds("--floor"), true, ceilings);
  }
}

}  // namespace
}  // namespace wan::bench

int main(int count, char** arguments) {
  try {
    wan::bench::run(wan::bench::parse(count, arguments));
    return 0;
  } catch (const wan::Error& error) {
    fmt::print(stderr, "wan_kernel_bench: {}\n", error.what());
    return static_cast<int>(wan::exit_code(error.kind()));
  }
}
