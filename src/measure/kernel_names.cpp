// Rules in order; the first with a word in the name decides. Templates carry the words of what they are made from, so
// rules about what a kernel does to memory look at the name before its '<' only.
#include "measure/kernel_names.h"

#include <cxxabi.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <initializer_list>
#include <memory>

namespace wan::measure {
namespace {

constexpr size_t kLongestName = 96;

enum class Where { kAnywhere, kBeforeTemplate };

struct Rule {
  KernelKind kind;
  Where where;
  std::initializer_list<std::string_view> words;
};

const Rule kRules[] = {
    {KernelKind::kAttention, Where::kAnywhere, {"attention", "sdpa", "flash", "fmha", "softmax"}},
    {KernelKind::kGemm, Where::kBeforeTemplate, {"splitkreduce"}},
    {KernelKind::kElementwise,
     Where::kBeforeTemplate,
     {"norm",     "rms_",    "map_kernel", "map_rows_kernel", "elementwise",  "strided_kernel", "transpose", "convert",
      "copy",     "columns", "repack",     "enlarge",         "upsample",     "patchify",       "channels",  "dup_up",
      "avg_down", "fill",    "nchwtonhwc", "nhwctonchw",      "reduce_kernel"}},
    {KernelKind::kConvolution, Where::kAnywhere, {"conv", "fprop", "dgrad", "winograd", "direct_kernel"}},
    {KernelKind::kGemm, Where::kAnywhere, {"gemm", "gemv", "nvjet", "cutlass", "xmma", "cublas"}},
};

std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(name, nullptr, nullptr, &status), std::free);
  return status == 0 && text != nullptr ? text.get() : name;
}

void remove_all(std::string& text, std::string_view part) {
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at)) text.erase(at, part.size());
}

/// The outermost argument list is the last '(' outside of template brackets.
void drop_arguments(std::string& text) {
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '<') ++depth;
    if (text[i] == '>') --depth;
    if (text[i] == '(' && depth == 0) {
      text.resize(i);
      return;
    }
  }
}

}  // namespace

std::string short_kernel_name(const char* name) {
  std::string text = demangled(name);
  for (const std::string_view part : {"(anonymous namespace)::", "wan::cuda::", "wan::"}) remove_all(text, part);
  drop_arguments(text);
  if (text.starts_with("void ")) text.erase(0, 5);
  if (text.size() > kLongestName) text = text.substr(0, kLongestName - 3) + "...";
  return text;
}

KernelKind kernel_kind(std::string_view short_name) {
  std::string text(short_name);
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  const std::string_view whole = text, head = whole.substr(0, whole.find('<'));
  for (const Rule& rule : kRules) {
    const std::string_view where = rule.where == Where::kAnywhere ? whole : head;
    const auto in_name = [&](std::string_view word) { return where.find(word) != std::string_view::npos; };
    if (std::any_of(rule.words.begin(), rule.words.end(), in_name)) return rule.kind;
  }
  return KernelKind::kOther;
}

}  // namespace wan::measure
