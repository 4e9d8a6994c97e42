# SPDX-License-Identifier: BSD-3-Clause
"""What the suites are made of: a lab, a traffic generator, the system under test, and its peers."""
