#include "report/ablation.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "report/escape.h"
#include "report/format.h"
#include "report/html_case.h"

namespace wan::report {
namespace {

using Json = nlohmann::json;

std::string ratio(double value) { return fmt::format("{:.2f}x", value); }

void add(Table& table, const std::optional<double>& value, std::string (*format)(double), const std::string& reason) {
  value ? table.text(format(*value)) : table.none(reason);
}

void add(Table& table, const CaseSummary* numbers, Quantity CaseSummary::*quantity, std::string (*format)(double)) {
  numbers != nullptr ? table.value(numbers->*quantity, format) : table.none("not_run");
}

const FidelityScore* score_of(const AblationRow& row, const char* metric) {
  return row.fidelity ? find_score(row.fidelity->comparison(), metric) : nullptr;
}

std::optional<double> mean_of(const AblationRow& row, const char* metric) {
  const FidelityScore* score = score_of(row, metric);
  return score == nullptr ? std::nullopt : score->mean.value;
}

std::string why_none(const AblationRow& row) {
  if (row.arm->lever.empty()) return "it is the reference";
  if (row.fidelity && row.fidelity->comparison().identical) return "identical";
  return row.fidelity ? "not measured" : row.why_no_fidelity.empty() ? "not run" : row.why_no_fidelity;
}

std::string decibels(double value) { return fmt::format("{:.1f}", value); }
std::string similarity(double value) { return fmt::format("{:.4f}", value); }

std::string ablation_markdown(const AblationTable& table) {
  std::string out = fmt::format("\n## Ablation: {}\n\n", markdown_text(table.ablation.case_name));
  Table rows({"Arm", "Time(s)", "±(%)", "Denoising(s)", "Gain", "Denoising Gain", "Mem(GiB)", "Energy(J)", "Forwards",
              "PSNR(dB)", "SSIM", "Verdict", "Setting"});
  for (const AblationRow& row : table.rows) {
    rows.begin_row();
    rows.text(row.arm->name);
    add(rows, row.numbers, &CaseSummary::total_s, seconds);
    add(rows, row.spread ? std::optional(100 * row.spread->share) : std::nullopt, decibels, "too few steps");
    add(rows, row.numbers, &CaseSummary::steps_s, seconds);
    add(rows, row.gain, ratio, "not compared");
    add(rows, row.denoising_gain, ratio, "not compared");
    add(rows, row.numbers, &CaseSummary::peak_device_bytes, gib);
    add(rows, row.numbers, &CaseSummary::energy_j, percent);
    if (row.forwards != nullptr)
      rows.text(fmt::format("{} of {}", row.forwards->computed, row.forwards->computed + row.forwards->reused));
    else
      rows.none("not recorded");
    add(rows, mean_of(row, "psnr"), decibels, why_none(row));
    add(rows, mean_of(row, "ssim"), similarity, why_none(row));
    rows.text(row.text);
    rows.text(row.arm->setting.empty() ? "as the case is" : row.arm->setting);
  }
  out += rows.markdown();
  for (const AblationRow& row : table.rows)
    for (const std::string& remark : row.arm->remarks)
      out += fmt::format("\n- {}: {}\n", markdown_text(row.arm->name), markdown_text(remark));
  for (const std::string& remark : table.remarks) out += fmt::format("\n{}.\n", markdown_text(remark));
  return out + "\n";
}

Json number(const std::optional<double>& value, const std::string& reason) {
  return value ? Json{{"value", *value}} : Json{{"value", nullptr}, {"reason", reason}};
}

Json number(const CaseSummary* numbers, Quantity CaseSummary::*quantity) {
  return numbers != nullptr ? quantity_data(numbers->*quantity) : Json{{"value", nullptr}, {"reason", "not run"}};
}

Json row_data(const AblationRow& row) {
  Json json = {{"arm", row.arm->name},
               {"setting", row.arm->setting},
               {"verdict", to_string(row.verdict)},
               {"text", row.text},
               {"remarks", row.arm->remarks},
               {"seconds", number(row.numbers, &CaseSummary::total_s)},
               {"denoising_s", number(row.numbers, &CaseSummary::steps_s)},
               {"spread", number(row.spread ? std::optional(row.spread->share) : std::nullopt, "too few steps")},
               {"gain", number(row.gain, "not compared")},
               {"denoising_gain", number(row.denoising_gain, "not compared")},
               {"device_bytes", number(row.numbers, &CaseSummary::peak_device_bytes)},
               {"energy_j", number(row.numbers, &CaseSummary::energy_j)},
               {"psnr", number(mean_of(row, "psnr"), why_none(row))},
               {"ssim", number(mean_of(row, "ssim"), why_none(row))}};
  json["forwards"] = row.forwards == nullptr
                         ? Json(nullptr)
                         : Json{{"computed", row.forwards->computed}, {"reused", row.forwards->reused}};
  json["bitmap"] = row.run == nullptr ? Json(nullptr) : forwards_data(*row.run);
  return json;
}

}  // namespace

std::string ablations_markdown(const ReportView& view) {
  std::string out;
  for (const AblationTable& table : view.ablations) out += ablation_markdown(table);
  return out;
}

Json ablations_data(const ReportView& view) {
  Json list = Json::array();
  for (const AblationTable& table : view.ablations) {
    Json json = {{"case", table.ablation.case_name},
                 {"device", table.device},
                 {"remarks", table.remarks},
                 {"rows", Json::array()}};
    for (const AblationRow& row : table.rows) json["rows"].push_back(row_data(row));
    list.push_back(std::move(json));
  }
  return list;
}

}  // namespace wan::report
