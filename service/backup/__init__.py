"""Copies of the database, each verified by restoring it; and the way back.

snapshot (the copy) → archive (the file) → inspection (is it whole?) → rotation, offsite. The way back: restoration.
"""
