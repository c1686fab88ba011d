// Which card a device name means.
#include "measure/gpu.h"

#include <charconv>

namespace wan::measure {
namespace {

std::optional<size_t> index_in(const std::string& text) {
  size_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string entry(const std::string& list, size_t index) {
  size_t begin = 0;
  for (; index > 0; --index) {
    begin = list.find(',', begin);
    if (begin == std::string::npos) return {};
    ++begin;
  }
  return list.substr(begin, list.find(',', begin) - begin);
}

}  // namespace

bool hides_all_cards(const char* visible) {
  if (visible == nullptr) return false;
  const std::string first = entry(visible, 0);
  return !index_in(first) && !first.starts_with("GPU-") && !first.starts_with("MIG-");
}

Gpu* find_gpu(const GpuSet& set, const std::string& device, const std::string& visible) {
  if (device == "cpu" || set.gpus.empty()) return nullptr;
  const size_t colon = device.find(':');
  size_t index = colon == std::string::npos ? 0 : index_in(device.substr(colon + 1)).value_or(0);
  if (!visible.empty()) {
    const std::string name = entry(visible, index);
    for (const auto& gpu : set.gpus)
      if (!name.empty() && gpu->facts().uuid.starts_with(name)) return gpu.get();
    const auto shown = index_in(name);
    if (!shown) return nullptr;
    index = *shown;
  }
  return index < set.gpus.size() ? set.gpus[index].get() : nullptr;
}

}  // namespace wan::measure
