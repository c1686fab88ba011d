// Texts of strangers in every target of a report.
#include "report/escape.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/report_view.h"
#include "html_records.h"
#include "report/csv.h"
#include "report/markdown.h"
#include "results/json.h"

namespace wan::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MarkdownText, LeavesNamesAndNumbersAlone) {
  for (const char* text : {"T5_Encoding", "Step_0_Inference", "01_Speed-Preview.v2+x", "-5.25", "3.5 GiB", "A & B",
                           "a (b), c: d; \"e\" 'f' / g% @h!", "größer", "#1", "2.5x", ""})
    EXPECT_EQ(markdown_text(text), text);
}

TEST(MarkdownText, WhatWouldBeMarkupGetsABackslash) {
  EXPECT_EQ(markdown_text("<script>alert(1)</script>"), "\\<script\\>alert(1)\\</script\\>");
  EXPECT_EQ(markdown_text("[l](javascript:alert(1))"), "\\[l\\](javascript:alert(1))");
  EXPECT_EQ(markdown_text("![i](http://x)"), "!\\[i\\](http://x)");
  EXPECT_EQ(markdown_text("**a** _b_ __c__ ~~d~~ `e`"), "\\*\\*a\\*\\* \\_b\\_ \\_\\_c\\_\\_ \\~\\~d\\~\\~ \\`e\\`");
  EXPECT_EQ(markdown_text("a|b\\|c"), "a\\|b\\\\\\|c");
  EXPECT_EQ(markdown_text("&lt;b&gt; &#60; a & b"), "\\&lt;b\\&gt; \\&#60; a & b");
  EXPECT_EQ(markdown_text("1*2 3*4 $x$"), "1\\*2 3\\*4 \\$x\\$");
}

TEST(MarkdownText, ALineCannotEndAndNoBlockCanBegin) {
  EXPECT_EQ(markdown_text("a\n\n# b\r\tc"), "a  # b  c");
  EXPECT_EQ(markdown_text("# heading"), "\\# heading");
  EXPECT_EQ(markdown_text("- item"), "\\- item");
  EXPECT_EQ(markdown_text("--- "), "\\--- ");
  EXPECT_EQ(markdown_text("+ item"), "\\+ item");
  EXPECT_EQ(markdown_text("12. item"), "12\\. item");
  EXPECT_EQ(markdown_text("1) item"), "1\\) item");
  EXPECT_EQ(markdown_text("=== "), "\\=== ");
  EXPECT_EQ(markdown_text("> quote"), "\\> quote");
}

TEST(MarkdownText, NothingInItSteersATerminal) {
  EXPECT_EQ(markdown_text("a\x1b]0;owned\x07z"), "a\\\\x1b\\]0;owned\\\\x07z");
  EXPECT_EQ(markdown_text("\xff"), "\\\\xff");
}

TEST(MarkdownCode, HoldsAnyBackticks) {
  EXPECT_EQ(markdown_code("a<b>"), "`a<b>`");
  EXPECT_EQ(markdown_code("a`b``c"), "```a`b``c```");
  EXPECT_EQ(markdown_code("`a`"), "`` `a` ``");
  EXPECT_EQ(markdown_code(""), "`  `");
  EXPECT_EQ(markdown_code("a\n\nb"), "`a  b`");
  EXPECT_EQ(markdown_cell(markdown_code("f<a|b>")), "`f<a\\|b>`");
}

TEST(MarkdownBlock, CannotBeEndedFromWithin) {
  EXPECT_EQ(markdown_block("one\ntwo"), "```text\none\ntwo\n```\n");
  EXPECT_EQ(markdown_block("```\n# heading\n````"), "`````text\n```\n# heading\n````\n`````\n");
  EXPECT_EQ(markdown_block("\x1b[2J"), "```text\n\\x1b[2J\n```\n");
}

TEST(CsvText, FormulasAreTextAndNumbersStayNumbers) {
  EXPECT_EQ(csv_text("=1+2"), "'=1+2");
  EXPECT_EQ(csv_text("+cmd|' /C calc'!A0"), "'+cmd|' /C calc'!A0");
  EXPECT_EQ(csv_text("-2+3"), "'-2+3");
  EXPECT_EQ(csv_text("@SUM(A1,A2)"), "\"'@SUM(A1,A2)\"");
  EXPECT_EQ(csv_text("\t=1"), "'\t=1");
  EXPECT_EQ(csv_text("a\x1b]0;t\x07\xc2\x9b"
                     "b\n"),
            "\"a\\x1b]0;t\\x07\\x9bb\n\"")
      << "an export may end on a terminal";
  EXPECT_EQ(csv_text("a\xe2\x80\xae"
                     "b\xff"),
            "a\\u202eb\\xff");
  EXPECT_EQ(csv_text("\r=1"), "\"'\r=1\"");
  EXPECT_EQ(csv_text("=\"a\""), "\"'=\"\"a\"\"\"");
  for (const char* number : {"-5", "-0.25", "-1e-3", "0", "12"}) EXPECT_EQ(csv_text(number), number);
  EXPECT_EQ(csv_text("a=b"), "a=b");
  EXPECT_EQ(csv_text(""), "");
}

/// Every text of a record that a report shows is set to one that would be markup in each target.
constexpr const char* kHostile = "=<img src=x onerror=alert(1)> **x**\n\n# Injected\n[l](javascript:a) `</script>";

RunRecord hostile() {
  RunRecord run = report_records().front();
  for (GpuInfo& gpu : run.system.gpus) gpu.name = gpu.uuid = gpu.driver = kHostile;
  run.run_case.name = run.workload.prompt = run.workload.task = run.workload.model = run.workload.solver = kHostile;
  run.run_case.aliases = {kHostile};
  run.run_case.arm = run.run_case.suite = kHostile;
  run.engine.name = run.engine.marker_source = run.system.cpu_model = run.system.host = run.system.kernel = kHostile;
  run.engine.facts = {{"memory_plan", kHostile}, {"libraries", kHostile}};
  run.tool.version = run.tool.build = run.tool.cuda = kHostile;
  run.workload.dtypes = {{kHostile, kHostile}};
  run.execution = absent<Execution>(kHostile);
  run.workload.offload = run.workload.text_encoder_device = kHostile;
  run.output.file = run.output.sha256 = kHostile;
  run.validity = {{kHostile, kHostile, "", false}};
  for (StageRecord& stage : run.stages) {
    if (stage.kind == StageKind::kLeaf) stage.name = kHostile;
    stage.cpu_core_ns = absent<int64_t>(kHostile);
  }
  return run;
}

RunRecord hostile_failure() {
  RunRecord run = hostile();
  run.status = RunStatus::kCrash;
  run.error = ErrorFacts{};
  run.error->stage = run.error->message = run.error->advice = kHostile;
  run.error->stderr_tail = std::string("```\n") + kHostile;
  return run;
}

/// The Markdown without what a code span, a fenced block or a backslash makes plain.
std::string active(const std::string& markdown) {
  std::string out;
  for (size_t i = 0; i < markdown.size(); ++i) {
    if (markdown[i] == '\\') {
      ++i;
    } else if (markdown[i] == '`') {
      const size_t length = std::min(markdown.find_first_not_of('`', i), markdown.size()) - i;
      const size_t end = markdown.find(markdown.substr(i, length), i + length);
      if (end == std::string::npos) return out + markdown.substr(i);
      i = end + length - 1;
    } else {
      out += markdown[i];
    }
  }
  return out;
}

TEST(Escape, NoTextOfARecordIsMarkupInTheMarkdownReport) {
  for (RunRecord run : {hostile(), hostile_failure()}) {
    seal(run);
    const std::string text = markdown_report(report_view({&run}, {}, {}));
    EXPECT_THAT(text, HasSubstr("Injected"));
    const std::string plain = active(text);
    for (const char* markup : {"<img", "</script", "[l]", "**x**", "\n# Injected"})
      EXPECT_THAT(plain, Not(HasSubstr(markup))) << plain;
  }
}

TEST(Escape, NoTextOfARecordIsAFormulaInCsv) {
  RunRecord run = hostile();
  seal(run);
  const std::string csv = to_csv({&run});
  EXPECT_THAT(csv, HasSubstr("'=<img"));
  EXPECT_THAT(csv, Not(HasSubstr(",=")));
  EXPECT_THAT(csv, Not(HasSubstr("\"=")));
}

}  // namespace
}  // namespace wan::report
