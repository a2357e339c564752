"""Counts test cases in the tests that one `bazel test` ran.

Usage: count_tests.py BUILD_EVENTS_JSON COMMANDS_FAILED

The build events name every test and where its results (test.xml) are, so results of tests that no
longer exist are not counted. The exit code is the verdict on the whole run.
"""

import json
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree


def test_cases(xml_file):
    """(passed, failed, skipped) of one test.xml; all zero if it is absent or cut short."""
    passed = failed = skipped = 0
    try:
        cases = list(ElementTree.parse(xml_file).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        cases = []
    for case in cases:
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def read_events(path):
    """The tests' attempts as (label, status, test.xml), and each label's overall status."""
    attempts, overall = [], {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            if "testResult" in event:
                result = event["testResult"]
                xml_files = [
                    urllib.parse.unquote(urllib.parse.urlparse(output["uri"]).path)
                    for output in result.get("testActionOutput", [])
                    if output["name"] == "test.xml"
                ]
                attempts.append((event["id"]["testResult"]["label"], result["status"], xml_files))
            elif "testSummary" in event:
                label = event["id"]["testSummary"]["label"]
                overall[label] = event["testSummary"]["overallStatus"]
            elif "completed" in event and not event["completed"].get("success", False):
                label = event["id"].get("targetCompleted", {}).get("label")
                if label:
                    overall.setdefault(label, "FAILED_TO_BUILD")
    return attempts, overall


def main():
    attempts, overall = read_events(sys.argv[1])
    commands_failed = int(sys.argv[2])
    passed = failed = skipped = 0
    blamed = set()  # labels with a failed case
    for label, status, xml_files in attempts:
        case_counts = [test_cases(xml_file) for xml_file in xml_files]
        failed_here = sum(counts[1] for counts in case_counts)
        passed += sum(counts[0] for counts in case_counts)
        skipped += sum(counts[2] for counts in case_counts)
        # A crash or a time-out has no case to blame.
        if status != "PASSED" and not failed_here:
            failed_here = 1
        failed += failed_here
        if failed_here:
            blamed.add(label)
            print("FAILED: {} ({})".format(label, status.lower()))
    for label, status in sorted(overall.items()):
        if status not in ("PASSED", "FLAKY") and label not in blamed:
            failed += 1
            print("FAILED: {} ({})".format(label, status.lower()))
    # A command that failed where every test passed, such as a build that never began.
    failed = max(failed, commands_failed)
    if skipped:
        print("{} skipped".format(skipped))
    print("{} passed, {} failed".format(passed, failed))
    return 1 if failed or not passed else 0


sys.exit(main())
