#include "base/memory_size.h"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

#include "base/checked_number.h"

namespace wan {
namespace {

/// From a MiB, below which a number was meant in another unit, to a PiB.
constexpr Bounds<double> kBytes{0x1p20, 0x1p50};

struct Unit {
  std::string_view name;
  uint64_t bytes;
};

/// In the order in which a text is looked for; a name that ends another one stands behind it.
constexpr std::array kUnits{Unit{"GiB", uint64_t{1} << 30}, Unit{"GB", 1'000'000'000}, Unit{"MiB", uint64_t{1} << 20},
                            Unit{"MB", 1'000'000}, Unit{"B", 1}};

bool same_letter(char a, char b) {
  return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
}

bool ends_with(std::string_view text, std::string_view name) {
  return text.size() >= name.size() &&
         std::equal(name.begin(), name.end(), text.end() - static_cast<std::ptrdiff_t>(name.size()), same_letter);
}

std::optional<MemorySize> of_units(double count, const Unit& unit) {
  const double bytes = count * static_cast<double>(unit.bytes);
  if (!kBytes.hold(bytes)) return std::nullopt;
  return MemorySize{static_cast<uint64_t>(bytes)};
}

}  // namespace

std::string MemorySize::text() const {
  const Unit& unit = *std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& u) { return bytes % u.bytes == 0; });
  return fmt::format("{}{}", bytes / unit.bytes, unit.name);
}

std::optional<MemorySize> memory_size(std::string_view text) {
  const auto* const unit =
      std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& u) { return ends_with(text, u.name); });
  if (unit != kUnits.end()) text.remove_suffix(unit->name.size());
  const std::optional<double> count = checked_number<double>(text);
  if (!count) return std::nullopt;
  return of_units(*count, unit == kUnits.end() ? kUnits.front() : *unit);
}

std::optional<MemorySize> memory_size(double gib) { return of_units(gib, kUnits.front()); }

}  // namespace wan
