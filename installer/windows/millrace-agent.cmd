@rem The command line of the Millrace agent; an administrator may use it.
@"%~dp0millracesvc.exe" agent %*
@exit /b %errorlevel%
